#include "tokenizer/vocabulary.h"

#include <bit>
#include <charconv>
#include <functional>

#include "core/error.h"
#include "tokenizer/excerpt.h"

namespace quern::tokenizer {
namespace {

std::uint32_t hash_of(std::string_view text) noexcept {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(text));
}

}  // namespace

std::optional<unsigned char> byte_named_by(std::string_view text) noexcept {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  unsigned char byte = 0;
  const char* end = text.data() + 5;
  const auto [read, error] = std::from_chars(text.data() + 3, end, byte, 16);
  return error == std::errc() && read == end ? std::optional(byte) : std::nullopt;
}

void TokenStrings::reserve(std::size_t count, std::size_t bytes) {
  ends_.reserve(count);
  bytes_.reserve(bytes);
}

void TokenStrings::push_back(std::string_view text) {
  bytes_ += text;
  ends_.push_back(bytes_.size());
}

TokenId TokenStrings::build_index() {
  slots_.assign(std::bit_ceil(ends_.size() * 2 + 2), Slot{});
  const std::size_t mask = slots_.size() - 1;
  for (TokenId id = 0; id < size(); ++id) {
    const std::string_view text = (*this)[id];
    if (text.empty()) continue;
    if (find(text) != kNoToken) return id;
    const std::uint32_t hash = hash_of(text);
    std::size_t slot = hash & mask;
    while (slots_[slot].id != kNoToken) slot = (slot + 1) & mask;
    slots_[slot] = {hash, id};
  }
  return kNoToken;
}

TokenId TokenStrings::find(std::string_view text) const noexcept {
  if (slots_.empty() || text.empty()) return kNoToken;
  const std::size_t mask = slots_.size() - 1;
  const std::uint32_t hash = hash_of(text);
  for (std::size_t slot = hash & mask; slots_[slot].id != kNoToken; slot = (slot + 1) & mask) {
    if (slots_[slot].hash == hash && (*this)[slots_[slot].id] == text) return slots_[slot].id;
  }
  return kNoToken;
}

Vocabulary::Vocabulary(std::span<const Token> tokens) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (count == 0 || count > kMaxTokens) {
    fail(ErrorCode::corrupt_file, "tokenizer: expected 1 to {} tokens, got {}", kMaxTokens, count);
  }
  std::size_t bytes = 0;
  for (const Token& token : tokens) bytes += token.text.size();
  texts_.reserve(tokens.size(), bytes);
  kinds_.reserve(tokens.size());
  for (const Token& token : tokens) {
    texts_.push_back(token.text);
    kinds_.push_back(token.kind);
  }
  if (const TokenId twice = texts_.build_index(); twice != kNoToken) {
    fail(ErrorCode::corrupt_file, "tokenizer: tokens {} and {} have the same text \"{}\"",
         find(text(twice)), twice, excerpt(text(twice)));
  }
}

}  // namespace quern::tokenizer
