#include <cmath>

#include "core/error.h"
#include "tokenizer/assemble.h"
#include "tokenizer/excerpt.h"
#include "tokenizer/impl.h"
#include "tokenizer/load.h"

namespace quern {
namespace {

using io::GgufMetadata;
using tokenizer::kNoToken;
using tokenizer::TokenKind;
using tokenizer::Vocabulary;

void check_count(std::string_view key, std::size_t count, std::size_t tokens) {
  if (count == tokens) return;
  fail(ErrorCode::corrupt_file, "GGUF: {} has {} elements for {} tokens", key, count, tokens);
}

/// Nothing where the key is missing or names no token: some files hold -1 in 32 bits or 64, or an
/// id beyond the vocabulary.
std::optional<TokenId> find_id(const GgufMetadata& metadata, std::string_view key,
                               const Vocabulary& vocabulary) {
  const auto found = metadata.find(key);
  if (found != metadata.end() && std::holds_alternative<std::uint64_t>(found->second))
    return std::nullopt;
  const auto value = io::find_int(metadata, key);
  if (!value || !vocabulary.contains(*value)) return std::nullopt;
  return static_cast<TokenId>(*value);
}

Vocabulary read_vocabulary(const GgufMetadata& metadata) {
  constexpr std::string_view kKinds = "tokenizer.ggml.token_type";
  const auto& texts = io::get_strings(metadata, "tokenizer.ggml.tokens");
  const auto* kinds = io::find_ints(metadata, kKinds);
  if (kinds != nullptr) check_count(kKinds, kinds->size(), texts.size());
  std::vector<tokenizer::Token> tokens;
  tokens.reserve(texts.size());
  for (std::size_t id = 0; id < texts.size(); ++id) {
    const std::int64_t kind = kinds == nullptr ? 1 : (*kinds)[id];
    if (kind < 0 || kind > 6) {
      fail(ErrorCode::corrupt_file, "GGUF: {} of token {} is {}, expected 0 to 6", kKinds, id,
           kind);
    }
    tokens.push_back({texts[id], kind == 0 ? TokenKind::normal : static_cast<TokenKind>(kind)});
  }
  return Vocabulary(tokens);
}

tokenizer::SpecialSplitter special_tokens(const Vocabulary& vocabulary) {
  std::vector<tokenizer::SpecialToken> tokens;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    const bool special = kind == TokenKind::control || kind == TokenKind::unknown;
    if ((special || kind == TokenKind::user_defined) && !vocabulary.text(id).empty()) {
      tokens.push_back({std::string(vocabulary.text(id)), id, special});
    }
  }
  return tokenizer::SpecialSplitter(std::move(tokens));
}

tokenizer::MergeTable read_merges(const GgufMetadata& metadata, const Vocabulary& vocabulary) {
  const auto& lines = io::get_strings(metadata, "tokenizer.ggml.merges");
  tokenizer::MergeTable merges;
  merges.reserve(lines.size());
  for (std::size_t rank = 0; rank < lines.size(); ++rank) {
    const std::string_view line = lines[rank];
    const std::size_t space = line.find(' ', 1);
    if (space == std::string_view::npos) {
      fail(ErrorCode::corrupt_file, "GGUF: merge {} is \"{}\", expected two tokens", rank,
           tokenizer::excerpt(line));
    }
    tokenizer::add_merge(merges, vocabulary, rank, line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

std::vector<float> read_scores(const GgufMetadata& metadata, std::size_t tokens) {
  constexpr std::string_view kScores = "tokenizer.ggml.scores";
  const auto* scores = io::find_floats(metadata, kScores);
  if (scores == nullptr) fail(ErrorCode::corrupt_file, "GGUF: {} is missing", kScores);
  check_count(kScores, scores->size(), tokens);
  std::vector<float> result;
  result.reserve(scores->size());
  for (const double score : *scores) {
    if (!std::isfinite(score)) {
      fail(ErrorCode::corrupt_file, "GGUF: {} has the value {}", kScores, score);
    }
    result.push_back(static_cast<float>(score));
  }
  return result;
}

/// Byte-level BPE. Returns whether a BOS goes in front where the file does not say.
bool set_byte_level(Tokenizer::Impl& impl, const GgufMetadata& metadata) {
  const std::string* name = io::find_string(metadata, "tokenizer.ggml.pre");
  const auto named = tokenizer::named_pre_tokenizer(name == nullptr ? "default" : *name);
  impl.kind = "byte-level BPE";
  impl.model = std::make_unique<tokenizer::ByteLevelBpe>(
      impl.vocabulary, read_merges(metadata, impl.vocabulary),
      tokenizer::ByteLevelBpe::Options{.whole_words = named.whole_words});
  impl.pre_tokenizer = tokenizer::PreTokenizer(named.rules, tokenizer::UnicodeEdition::v15);
  if (named.nfc) impl.normalizer = tokenizer::Normalizer({tokenizer::UnicodeForm::nfc});
  impl.pieces = tokenizer::byte_level_pieces(impl.vocabulary);
  return named.add_bos;
}

/// SentencePiece's BPE, merged by scores.
void set_sentencepiece(Tokenizer::Impl& impl, const GgufMetadata& metadata) {
  tokenizer::Fallback fallback = tokenizer::byte_fallback(impl.vocabulary);
  fallback.unknown =
      find_id(metadata, "tokenizer.ggml.unknown_token_id", impl.vocabulary).value_or(kNoToken);
  impl.kind = "SentencePiece BPE";
  impl.model = std::make_unique<tokenizer::CharacterBpe>(
      impl.vocabulary, read_scores(metadata, static_cast<std::size_t>(impl.vocabulary.size())),
      fallback);
  impl.strip_leading_space =
      io::find_bool(metadata, "tokenizer.ggml.add_space_prefix").value_or(true);
  std::vector<tokenizer::NormalizerStep> marks;
  if (impl.strip_leading_space) marks.push_back(tokenizer::Prepend{" "});
  marks.push_back(tokenizer::ReplaceText{" ", std::string(tokenizer::kSpaceMark)});
  impl.word_marks = tokenizer::Normalizer(std::move(marks));
  impl.pre_tokenizer = tokenizer::PreTokenizer(tokenizer::split_before_spaces(impl.vocabulary),
                                               tokenizer::UnicodeEdition::v15);
  impl.pieces = tokenizer::sentencepiece_pieces(impl.vocabulary);
}

void set_ends(Tokenizer::Impl& impl, const GgufMetadata& metadata, bool add_bos) {
  impl.bos = find_id(metadata, "tokenizer.ggml.bos_token_id", impl.vocabulary);
  impl.eos = find_id(metadata, "tokenizer.ggml.eos_token_id", impl.vocabulary);
  if (impl.bos && io::find_bool(metadata, "tokenizer.ggml.add_bos_token").value_or(add_bos)) {
    impl.prefix.push_back(*impl.bos);
  }
  if (impl.eos && io::find_bool(metadata, "tokenizer.ggml.add_eos_token").value_or(false)) {
    impl.suffix.push_back(*impl.eos);
  }
  std::vector<TokenId> turn_ends;
  for (const std::string_view key :
       {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = find_id(metadata, key, impl.vocabulary)) turn_ends.push_back(*id);
  }
  impl.collect_stop_tokens(turn_ends);
}

}  // namespace

Tokenizer tokenizer_from_gguf(const GgufMetadata& metadata) {
  const std::string& model = io::get_string(metadata, "tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    fail(ErrorCode::unsupported,
         "GGUF: tokenizer.ggml.model \"{}\" is not known; known are gpt2, llama",
         tokenizer::excerpt(model));
  }
  auto impl = std::make_shared<Tokenizer::Impl>();
  impl->vocabulary = read_vocabulary(metadata);
  impl->special = special_tokens(impl->vocabulary);
  bool add_bos = true;
  if (model == "gpt2") {
    add_bos = set_byte_level(*impl, metadata);
  } else {
    set_sentencepiece(*impl, metadata);
  }
  set_ends(*impl, metadata, add_bos);
  impl->chat_templates = tokenizer::templates_of(metadata);
  return Tokenizer(std::move(impl));
}

}  // namespace quern
