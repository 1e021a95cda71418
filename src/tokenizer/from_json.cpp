#include "tokenizer/from_json.h"

#include <algorithm>

#include "core/error.h"
#include "io/json.h"
#include "tokenizer/assemble.h"
#include "tokenizer/excerpt.h"
#include "tokenizer/impl.h"
#include "tokenizer/json_steps.h"
#include "tokenizer/load.h"

namespace quern {
namespace {

using io::Json;
using io::JsonObject;
using tokenizer::TokenKind;
using tokenizer::Vocabulary;

/// One of "added_tokens".
struct AddedToken {
  tokenizer::SpecialToken token;
  bool special = false;
  bool normalized = false;
  std::int64_t id = 0;  // as the file has it
};

std::vector<AddedToken> read_added_tokens(const JsonObject& json) {
  std::vector<AddedToken> added;
  if (!json.contains("added_tokens")) return added;
  for (const Json& item : json.array("added_tokens")) {
    const JsonObject object(item, "tokenizer.json: added_tokens");
    AddedToken& one = added.emplace_back();
    one.special = object.get_or<bool>("special", false);
    one.normalized = object.get_or<bool>("normalized", !one.special);
    one.token.text = object.get<std::string>("content");
    one.id = object.get<std::int64_t>("id");
    one.token.only_if_parsed = one.special;
    one.token.strip_left = object.get_or<bool>("lstrip", false);
    one.token.strip_right = object.get_or<bool>("rstrip", false);
    if (object.get_or<bool>("single_word", false)) {
      fail(ErrorCode::unsupported, "tokenizer.json: single_word of \"{}\" is not supported",
           tokenizer::excerpt(one.token.text));
    }
  }
  return added;
}

/// Puts tokens at their ids; ids that no token has stay holes.
class TokenList {
 public:
  /// Of `count` tokens, few of which are missing.
  explicit TokenList(std::size_t count)
      : end_(std::min(static_cast<std::int64_t>(2 * count + 1024), tokenizer::kMaxTokens)) {}

  TokenId put(std::string_view text, std::int64_t id, TokenKind kind) {
    if (id < 0 || id >= end_) {
      fail(ErrorCode::corrupt_file, "tokenizer.json: the id of \"{}\" is {}, expected 0 to {}",
           tokenizer::excerpt(text), id, end_ - 1);
    }
    const auto index = static_cast<std::size_t>(id);
    if (index >= tokens_.size()) tokens_.resize(index + 1, {{}, TokenKind::unused});
    if (!tokens_[index].text.empty() && tokens_[index].text != text) {
      fail(ErrorCode::corrupt_file, "tokenizer.json: \"{}\" and \"{}\" have the same id {}",
           tokenizer::excerpt(tokens_[index].text), tokenizer::excerpt(text), id);
    }
    tokens_[index] = {text, kind};
    return static_cast<TokenId>(id);
  }
  Vocabulary vocabulary() const { return Vocabulary(tokens_); }

 private:
  std::int64_t end_;
  std::vector<tokenizer::Token> tokens_;
};

/// Also gives the added tokens their ids.
Vocabulary read_vocabulary(const JsonObject& model, std::vector<AddedToken>& added) {
  const bool bytes = model.get_or<bool>("byte_fallback", false);
  const JsonObject vocab = model.object("vocab");
  TokenList tokens(vocab.json().size() + added.size());
  for (const auto& [text, id] : vocab.json().get_ref<const Json::object_t&>()) {
    const bool is_byte = bytes && tokenizer::byte_named_by(text);
    tokens.put(text, id.is_number_integer() ? id.get<std::int64_t>() : -1,
               is_byte ? TokenKind::byte : TokenKind::normal);
  }
  for (AddedToken& one : added) {
    one.token.id = tokens.put(one.token.text, one.id,
                              one.special ? TokenKind::control : TokenKind::user_defined);
  }
  return tokens.vocabulary();
}

tokenizer::MergeTable read_merges(const JsonObject& model, const Vocabulary& vocabulary) {
  const Json& rules = model.array("merges");
  tokenizer::MergeTable merges;
  merges.reserve(rules.size());
  for (std::size_t rank = 0; rank < rules.size(); ++rank) {
    const Json& rule = rules[rank];
    if (rule.is_array() && rule.size() == 2 && rule[0].is_string() && rule[1].is_string()) {
      tokenizer::add_merge(merges, vocabulary, rank, rule[0].get_ref<const std::string&>(),
                           rule[1].get_ref<const std::string&>());
      continue;
    }
    const std::string_view line =
        rule.is_string() ? std::string_view(rule.get_ref<const std::string&>()) : "";
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      fail(ErrorCode::corrupt_file, "tokenizer.json: merge {} is not a pair of tokens", rank);
    }
    tokenizer::add_merge(merges, vocabulary, rank, line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

/// Old files do not say; what a model has tells.
std::string type_of_model(const JsonObject& model) {
  if (const auto type = model.find<std::string>("type")) return *type;
  const auto vocab = model.json().find("vocab");
  if (vocab != model.json().end() && vocab->is_array()) return "Unigram";
  if (model.contains("merges")) return "BPE";
  return model.contains("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

void check_model(const JsonObject& model) {
  const std::string type = type_of_model(model);
  const auto prefix = model.get_or<std::string>("continuing_subword_prefix", "");
  const double dropout = model.get_or<double>("dropout", 0.0);
  if (type != "BPE" || !prefix.empty() || dropout != 0.0) {
    const auto what = type != "BPE"     ? fmt::format("model \"{}\"", tokenizer::excerpt(type))
                      : !prefix.empty() ? fmt::format("continuing_subword_prefix \"{}\"",
                                                      tokenizer::excerpt(prefix))
                                        : fmt::format("dropout {}", dropout);
    fail(ErrorCode::unsupported, "tokenizer.json: {} is not supported; known are BPE models", what);
  }
}

void set_model(Tokenizer::Impl& impl, const JsonObject& model, bool byte_level) {
  tokenizer::Fallback fallback;
  if (!byte_level) fallback = tokenizer::byte_fallback(impl.vocabulary);
  if (const auto unknown = model.find<std::string>("unk_token")) {
    fallback.unknown = impl.vocabulary.find(*unknown);
  }
  fallback.fuse_unknown = model.get_or<bool>("fuse_unk", false);
  const bool whole_words = model.get_or<bool>("ignore_merges", false);
  const auto word_end = model.get_or<std::string>("end_of_word_suffix", "");
  auto merges = read_merges(model, impl.vocabulary);
  if (byte_level) {
    impl.kind = "byte-level BPE";
    impl.pieces = tokenizer::byte_level_pieces(impl.vocabulary, word_end);
    impl.model = std::make_unique<tokenizer::ByteLevelBpe>(
        impl.vocabulary, std::move(merges),
        tokenizer::ByteLevelBpe::Options{word_end, whole_words, fallback});
    return;
  }
  if (!word_end.empty()) {
    fail(ErrorCode::unsupported, "tokenizer.json: end_of_word_suffix without ByteLevel");
  }
  impl.kind = "SentencePiece BPE";
  impl.pieces = tokenizer::sentencepiece_pieces(impl.vocabulary);
  impl.model = std::make_unique<tokenizer::CharacterBpe>(impl.vocabulary, std::move(merges),
                                                         fallback, whole_words);
}

void set_special_tokens(Tokenizer::Impl& impl, std::vector<AddedToken> added) {
  std::vector<tokenizer::SpecialToken> raw, normalized;
  for (AddedToken& one : added) {
    if (one.token.text.empty()) continue;
    if (one.normalized && !impl.normalizer.empty()) {
      one.token.text = impl.normalizer.apply(one.token.text, true);
      if (!one.token.text.empty()) normalized.push_back(std::move(one.token));
    } else {
      raw.push_back(std::move(one.token));
    }
  }
  impl.special = tokenizer::SpecialSplitter(std::move(raw));
  impl.normalized_special = tokenizer::SpecialSplitter(std::move(normalized));
}

std::vector<TokenId> checked_ids(const std::vector<std::int64_t>& ids,
                                 const Vocabulary& vocabulary) {
  std::vector<TokenId> result;
  for (const std::int64_t id : ids) {
    if (!vocabulary.contains(id)) {
      fail(ErrorCode::corrupt_file, "tokenizer.json: post_processor: the id {} is outside {}", id,
           vocabulary.size());
    }
    result.push_back(static_cast<TokenId>(id));
  }
  return result;
}

}  // namespace

namespace tokenizer {

std::shared_ptr<Tokenizer::Impl> impl_from_json(const Json& json) {
  const JsonObject root(json, "tokenizer.json");
  const JsonObject model = root.object("model");
  check_model(model);
  auto impl = std::make_shared<Tokenizer::Impl>();
  auto added = read_added_tokens(root);
  impl->vocabulary = read_vocabulary(model, added);
  impl->normalizer = Normalizer(read_normalizer(root));
  set_special_tokens(*impl, std::move(added));

  PreTokenizerSteps steps = read_pre_tokenizer(root);
  set_model(*impl, model, steps.byte_level);
  if (steps.rules.empty()) steps.rules = split_before_spaces(impl->vocabulary);
  impl->word_marks = Normalizer(std::move(steps.word_marks));
  impl->pre_tokenizer = PreTokenizer(steps.rules, UnicodeEdition::v16);
  impl->strip_leading_space = read_decoder_strips_space(root);

  const Template around = read_post_processor(root);
  impl->prefix = checked_ids(around.prefix, impl->vocabulary);
  impl->suffix = checked_ids(around.suffix, impl->vocabulary);
  return impl;
}

}  // namespace tokenizer
}  // namespace quern
