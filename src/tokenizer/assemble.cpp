#include "tokenizer/assemble.h"

#include <string>

#include "core/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/excerpt.h"

namespace quern::tokenizer {
namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (;;) {
    const std::size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

}  // namespace

void add_merge(MergeTable& merges, const Vocabulary& vocabulary, std::size_t rank,
               std::string_view left, std::string_view right) {
  const std::string both = std::string(left) + std::string(right);
  const TokenId left_id = vocabulary.find(left);
  const TokenId right_id = vocabulary.find(right);
  const TokenId merged_id = vocabulary.find(both);
  if (left_id == kNoToken || right_id == kNoToken || merged_id == kNoToken) {
    const std::string_view missing = left_id == kNoToken    ? left
                                     : right_id == kNoToken ? right
                                                            : std::string_view(both);
    fail(ErrorCode::corrupt_file, "tokenizer: \"{}\" of merge {} is not in the vocabulary",
         excerpt(missing), rank);
  }
  merges.insert(left_id, right_id, {static_cast<std::uint32_t>(rank), merged_id});
}

Fallback byte_fallback(const Vocabulary& vocabulary) {
  Fallback fallback;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.kind(id) != TokenKind::byte) continue;
    if (const auto byte = byte_named_by(vocabulary.text(id))) fallback.bytes[*byte] = id;
  }
  return fallback;
}

TokenStrings byte_level_pieces(const Vocabulary& vocabulary, std::string_view word_end) {
  TokenStrings pieces;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    std::string_view text = vocabulary.text(id);
    const TokenKind kind = vocabulary.kind(id);
    if (kind != TokenKind::normal && kind != TokenKind::unused) {
      pieces.push_back(text);
      continue;
    }
    const bool ends_word = !word_end.empty() && text.ends_with(word_end);
    if (ends_word) text.remove_suffix(word_end.size());
    pieces.push_back(bytes_from_text(text).value_or(std::string(text)) + (ends_word ? " " : ""));
  }
  return pieces;
}

TokenStrings sentencepiece_pieces(const Vocabulary& vocabulary) {
  TokenStrings pieces;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const std::string_view text = vocabulary.text(id);
    const TokenKind kind = vocabulary.kind(id);
    const auto byte = kind == TokenKind::byte ? byte_named_by(text) : std::nullopt;
    if (byte) {
      pieces.push_back(std::string(1, static_cast<char>(*byte)));
    } else if (kind == TokenKind::control || kind == TokenKind::unknown) {
      pieces.push_back(text);
    } else {
      pieces.push_back(replaced(text, kSpaceMark, " "));
    }
  }
  return pieces;
}

std::vector<SplitRule> split_before_spaces(const Vocabulary& vocabulary) {
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    if (kind == TokenKind::control || kind == TokenKind::unknown) continue;
    std::string_view text = vocabulary.text(id);
    while (text.starts_with(kSpaceMark)) text.remove_prefix(kSpaceMark.size());
    if (text.find(kSpaceMark) != std::string_view::npos) return {};
  }
  return {{"\u2581*[^\u2581]+|\u2581+"}};
}

}  // namespace quern::tokenizer
