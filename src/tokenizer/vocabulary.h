#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/tokenizer.h"

namespace quern::tokenizer {

inline constexpr TokenId kNoToken = -1;
/// More tokens than any real vocabulary has; bounds what a hostile file makes us allocate.
inline constexpr std::int64_t kMaxTokens = std::int64_t{1} << 21;

/// What a token is for; the values are GGUF's `tokenizer.ggml.token_type`.
enum class TokenKind : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,       ///< never made from plain text
  user_defined = 4,  ///< found in any text before the model sees it
  unused = 5,
  byte = 6,  ///< "<0x0A>": stands for one byte
};

/// The byte that a text of the form "<0x0A>" names.
std::optional<unsigned char> byte_named_by(std::string_view text) noexcept;

/// Strings numbered from 0, in one block of memory, found by content without copies.
class TokenStrings {
 public:
  void reserve(std::size_t count, std::size_t bytes);
  void push_back(std::string_view text);
  /// Builds what `find` needs; empty strings are not found. Returns the first id whose string an
  /// earlier id has, or kNoToken.
  TokenId build_index();

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(ends_.size()); }
  std::string_view operator[](TokenId id) const noexcept {
    const auto index = static_cast<std::size_t>(id);
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return {bytes_.data() + begin, ends_[index] - begin};
  }
  /// kNoToken where there is none.
  TokenId find(std::string_view text) const noexcept;

 private:
  struct Slot {
    std::uint32_t hash = 0;
    TokenId id = kNoToken;
  };

  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full
};

struct Token {
  std::string_view text;
  TokenKind kind = TokenKind::normal;
};

/// The tokens of a model: id to text and kind, and back.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// Ids are positions; an empty text is a hole that `find` does not see. Throws: `corrupt_file`
  /// for no token at all, more than kMaxTokens, or a text that stands twice.
  explicit Vocabulary(std::span<const Token> tokens);

  std::int64_t size() const noexcept { return texts_.size(); }
  bool contains(std::int64_t id) const noexcept { return id >= 0 && id < size(); }
  std::string_view text(TokenId id) const noexcept { return texts_[id]; }
  TokenKind kind(TokenId id) const noexcept { return kinds_[static_cast<std::size_t>(id)]; }
  TokenId find(std::string_view text) const noexcept { return texts_.find(text); }

 private:
  TokenStrings texts_;
  std::vector<TokenKind> kinds_;
};

}  // namespace quern::tokenizer
