#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern::tokenizer {

/// A token that is found in a text as it stands, before any other step.
struct SpecialToken {
  std::string text;
  TokenId id = kNoToken;
  bool only_if_parsed = true;  ///< found only where special tokens are asked for
  bool strip_left = false;     ///< white space before it belongs to it
  bool strip_right = false;    ///< and after it
};

/// Finds special tokens in a text.
class SpecialSplitter {
 public:
  SpecialSplitter() = default;
  /// Texts are not empty; of two tokens with one text, one is found.
  explicit SpecialSplitter(std::vector<SpecialToken> tokens);

  /// A token, or the plain text (never empty) between two.
  struct Part {
    std::string_view text;
    TokenId id = kNoToken;
  };
  /// The text in order; at each place the longest token wins. Those found only if parsed are found
  /// whole within one of `parsed`, views of the text in its order, without overlap.
  std::vector<Part> split(std::string_view text, std::span<const std::string_view> parsed) const;

 private:
  const SpecialToken* longest_at(std::string_view text, std::size_t parsed_bytes) const noexcept;

  std::vector<SpecialToken> tokens_;             // sorted by text
  std::array<std::uint32_t, 257> first_byte_{};  // where the tokens that start with a byte begin
};

}  // namespace quern::tokenizer
