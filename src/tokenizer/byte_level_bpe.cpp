#include <string>

#include "tokenizer/byte_level.h"
#include "tokenizer/word_model.h"

namespace quern::tokenizer {

ByteLevelBpe::ByteLevelBpe(const Vocabulary& vocabulary, MergeTable merges, const Options& options)
    : merges_(std::move(merges)), fallback_(options.fallback) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::string text(text_of_byte(static_cast<unsigned char>(byte)));
    first_ids_[byte] = vocabulary.find(text);
    text += options.word_end;
    last_ids_[byte] = vocabulary.find(text);
  }
  if (!options.whole_words) return;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const bool normal = vocabulary.kind(id) == TokenKind::normal;
    words_.push_back(normal ? bytes_from_text(vocabulary.text(id)).value_or("") : "");
  }
  words_.build_index();
}

void ByteLevelBpe::encode(std::string_view word, Merger& merger, std::vector<TokenId>& ids) const {
  if (const TokenId whole = words_.find(word); whole != kNoToken) {
    ids.push_back(whole);
    return;
  }
  merger.symbols.resize(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    const TokenId id = (i + 1 < word.size() ? first_ids_ : last_ids_)[byte];
    merger.symbols[i] = {id, static_cast<std::uint32_t>(i), 1};
  }
  merger.run(
      [&](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
  bool after_unknown = false;
  for (const Symbol& symbol : merger.symbols) {
    const bool unknown = symbol.id == kNoToken;
    if (!unknown) {
      ids.push_back(symbol.id);
    } else if (fallback_.unknown != kNoToken && !(after_unknown && fallback_.fuse_unknown)) {
      ids.push_back(fallback_.unknown);
    }
    after_unknown = unknown;
  }
}

}  // namespace quern::tokenizer
