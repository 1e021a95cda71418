#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/tokenizer.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/special_split.h"
#include "tokenizer/template_sources.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_model.h"

namespace quern {

/// The steps of encoding in the order that a text takes them, and what decoding needs.
struct Tokenizer::Impl {
  tokenizer::Vocabulary vocabulary;

  tokenizer::SpecialSplitter special;             ///< tokens found in the text as it came
  tokenizer::Normalizer normalizer;               ///< on the text between them
  tokenizer::SpecialSplitter normalized_special;  ///< tokens found after that
  tokenizer::Normalizer word_marks;               ///< on the text between those: marks of spaces
  tokenizer::PreTokenizer pre_tokenizer;
  std::unique_ptr<const tokenizer::WordModel> model;
  std::vector<TokenId> prefix, suffix;  ///< around a text, with `add_special`

  tokenizer::TokenStrings pieces;    ///< the bytes that each token stands for
  bool strip_leading_space = false;  ///< from a decoded text: encoding put it there

  std::optional<TokenId> bos, eos;
  std::vector<TokenId> stop_tokens;
  tokenizer::TemplateSources chat_templates;
  std::string_view kind;

  bool is_special(TokenId id) const noexcept;
  /// Makes `stop_tokens` of `eos`, `more`, and the control tokens whose texts are known to end a
  /// turn.
  void collect_stop_tokens(const std::vector<TokenId>& more);
  /// `parsed` as SpecialSplitter::split takes it.
  std::vector<TokenId> encode(std::string_view text, std::span<const std::string_view> parsed,
                              bool add_special) const;
  /// Text without the tokens of `special`.
  void encode_part(std::string_view plain, bool parse_special, bool& at_start,
                   tokenizer::Merger& merger, std::vector<TokenId>& ids) const;
  void encode_plain(std::string_view text, bool at_start, tokenizer::Merger& merger,
                    std::vector<TokenId>& ids) const;
};

}  // namespace quern
