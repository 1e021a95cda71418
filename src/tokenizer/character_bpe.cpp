#include <algorithm>
#include <numeric>

#include "tokenizer/utf8.h"
#include "tokenizer/word_model.h"

namespace quern::tokenizer {
namespace {

/// The place of each score among the distinct ones, highest first.
std::vector<std::uint32_t> ranks_of(const std::vector<float>& scores) {
  std::vector<float> order(scores);
  std::sort(order.begin(), order.end(), std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::vector<std::uint32_t> ranks;
  ranks.reserve(scores.size());
  for (const float score : scores) {
    const auto place = std::lower_bound(order.begin(), order.end(), score, std::greater<>());
    ranks.push_back(static_cast<std::uint32_t>(place - order.begin()));
  }
  return ranks;
}

}  // namespace

CharacterBpe::CharacterBpe(const Vocabulary& vocabulary, MergeTable merges,
                           const Fallback& fallback, bool whole_words)
    : vocabulary_(vocabulary),
      merges_(std::move(merges)),
      fallback_(fallback),
      whole_words_(whole_words) {}

CharacterBpe::CharacterBpe(const Vocabulary& vocabulary, std::vector<float> scores,
                           const Fallback& fallback)
    : vocabulary_(vocabulary), ranks_(ranks_of(scores)), fallback_(fallback) {}

TokenId CharacterBpe::plain_token(std::string_view text) const noexcept {
  const TokenId id = vocabulary_.find(text);
  if (id == kNoToken) return kNoToken;
  const TokenKind kind = vocabulary_.kind(id);
  const bool plain =
      kind == TokenKind::normal || kind == TokenKind::unused || kind == TokenKind::user_defined;
  return plain ? id : kNoToken;
}

void CharacterBpe::append_fallback(std::string_view text, std::vector<TokenId>& ids) const {
  const auto id_of = [&](char c) { return fallback_.bytes[static_cast<unsigned char>(c)]; };
  const bool has_bytes =
      std::all_of(text.begin(), text.end(), [&](char c) { return id_of(c) != kNoToken; });
  if (has_bytes) {
    for (const char c : text) ids.push_back(id_of(c));
  } else if (fallback_.unknown != kNoToken) {
    const bool fused = fallback_.fuse_unknown && !ids.empty() && ids.back() == fallback_.unknown;
    if (!fused) ids.push_back(fallback_.unknown);
  }
}

void CharacterBpe::encode(std::string_view word, Merger& merger, std::vector<TokenId>& ids) const {
  if (whole_words_) {
    if (const TokenId whole = plain_token(word); whole != kNoToken) {
      ids.push_back(whole);
      return;
    }
  }
  merger.symbols.clear();
  for (std::size_t i = 0; i < word.size();) {
    const std::size_t size = utf8_at(word, i).size;
    merger.symbols.push_back({plain_token(word.substr(i, size)), static_cast<std::uint32_t>(i),
                              static_cast<std::uint32_t>(size)});
    i += size;
  }
  if (ranks_.empty()) {
    merger.run(
        [&](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
  } else {
    merger.run([&](const Symbol& left, const Symbol& right) {
      const TokenId id = plain_token(word.substr(left.begin, left.size + right.size));
      return id == kNoToken ? Merge{} : Merge{ranks_[static_cast<std::size_t>(id)], id};
    });
  }
  for (const Symbol& symbol : merger.symbols) {
    if (symbol.id != kNoToken) {
      ids.push_back(symbol.id);
    } else {
      append_fallback(word.substr(symbol.begin, symbol.size), ids);
    }
  }
}

}  // namespace quern::tokenizer
