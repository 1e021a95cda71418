#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "io/json.h"
#include "quern/tokenizer.h"
#include "support/error_code.h"
#include "tokenizer/from_json.h"
#include "tokenizer/load.h"
#include "tokenizer/pre_tokenizer.h"

namespace quern {
namespace {

using io::GgufMetadata;
using io::Json;
using Texts = std::vector<std::string>;

GgufMetadata byte_level() {
  return {{"tokenizer.ggml.model", "gpt2"},
          {"tokenizer.ggml.tokens", Texts{"a", "b", "ab", "<|end|>"}},
          {"tokenizer.ggml.token_type", std::vector<std::int64_t>{1, 1, 1, 3}},
          {"tokenizer.ggml.merges", Texts{"a b"}},
          {"tokenizer.ggml.eos_token_id", std::int64_t{3}}};
}

GgufMetadata sentencepiece() {
  return {{"tokenizer.ggml.model", "llama"},
          {"tokenizer.ggml.tokens", Texts{"<unk>", "a", "b", "ab"}},
          {"tokenizer.ggml.token_type", std::vector<std::int64_t>{2, 1, 1, 1}},
          {"tokenizer.ggml.scores", std::vector<double>{0, -1, -2, -3}},
          {"tokenizer.ggml.unknown_token_id", std::int64_t{0}}};
}

ErrorCode code_with(GgufMetadata metadata, const char* key, io::GgufValue value) {
  metadata[std::string("tokenizer.") + key] = std::move(value);
  return code_of([&] { tokenizer_from_gguf(metadata); });
}

TEST_CASE("the smallest vocabularies work") {
  const auto words = tokenizer_from_gguf(byte_level());
  CHECK(words.encode("abba") == std::vector<TokenId>{2, 1, 0});
  CHECK(words.stop_tokens().size() == 1);
  const auto pieces = tokenizer_from_gguf(sentencepiece());
  CHECK(pieces.encode("abba") == std::vector<TokenId>{0, 3, 2, 1});
}

TEST_CASE("a GGUF vocabulary that contradicts itself is corrupt") {
  const auto corrupt = ErrorCode::corrupt_file;
  CHECK(code_with(byte_level(), "ggml.tokens", Texts{}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.tokens", Texts{"a", "b", "ab", "a"}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.tokens", std::int64_t{4}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.token_type", std::vector<std::int64_t>{1, 1}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.token_type", std::vector<std::int64_t>{1, 1, 1, 7}) ==
        corrupt);
  CHECK(code_with(byte_level(), "ggml.merges", Texts{"ab"}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.merges", Texts{""}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.merges", Texts{" "}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.merges", Texts{"a c"}) == corrupt);
  CHECK(code_with(byte_level(), "ggml.merges", Texts{"b a"}) == corrupt);
  CHECK(code_with(sentencepiece(), "ggml.scores", std::vector<double>{0}) == corrupt);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(code_with(sentencepiece(), "ggml.scores", std::vector<double>{0, nan, 0, 0}) == corrupt);
  CHECK(code_of([] { tokenizer_from_gguf({}); }) == corrupt);
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    GgufMetadata metadata = byte_level();
    metadata.erase(key);
    CHECK(code_of([&] { tokenizer_from_gguf(metadata); }) == corrupt);
  }
}

TEST_CASE("an unknown name is refused with the names that are known") {
  CHECK(code_with(byte_level(), "ggml.model", "unigram") == ErrorCode::unsupported);
  GgufMetadata metadata = byte_level();
  metadata["tokenizer.ggml.pre"] = "nobody-knows";
  CHECK_THROWS_WITH_AS(tokenizer_from_gguf(metadata), doctest::Contains("llama-bpe"), Error);
}

TEST_CASE("an id of -1, or of no token, stands for none") {
  for (const std::int64_t none : {std::int64_t{-1}, std::int64_t{-2}, std::int64_t{0xffffffff},
                                  std::int64_t{4}, std::int64_t{1} << 40}) {
    GgufMetadata metadata = byte_level();
    metadata["tokenizer.ggml.eos_token_id"] = none;
    metadata["tokenizer.ggml.eot_token_id"] = none;
    metadata["tokenizer.ggml.bos_token_id"] = none;
    const Tokenizer tokenizer = tokenizer_from_gguf(metadata);
    CHECK(!tokenizer.eos());
    CHECK(!tokenizer.bos());
    CHECK(tokenizer.stop_tokens().size() == 1);  // known by its text
  }
  GgufMetadata metadata = byte_level();
  metadata["tokenizer.ggml.eos_token_id"] = ~std::uint64_t{0};
  CHECK(!tokenizer_from_gguf(metadata).eos());
}

/// A small byte-level tokenizer.json, with the value at `path` replaced.
ErrorCode code_with(const std::string& path, const char* value) {
  Json json = Json::parse(R"({
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
    "added_tokens": [{"id": 3, "content": "<s>", "special": true}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "normalizer": null, "decoder": {"type": "ByteLevel"},
    "post_processor": {"type": "BertProcessing", "sep": ["<s>", 3], "cls": ["<s>", 3]}})");
  tokenizer::impl_from_json(json);
  json.at(Json::json_pointer(path)) = Json::parse(value);
  return code_of([&] { tokenizer::impl_from_json(json); });
}

TEST_CASE("a tokenizer.json that contradicts itself is corrupt") {
  const auto corrupt = ErrorCode::corrupt_file;
  CHECK(code_with("/model", "[]") == corrupt);
  CHECK(code_with("/model/vocab", "{}") == corrupt);
  CHECK(code_with("/model/vocab/a", "-1") == corrupt);
  CHECK(code_with("/model/vocab/a", "2000000000") == corrupt);
  CHECK(code_with("/model/vocab/a", "1") == corrupt);
  CHECK(code_with("/model/vocab/a", "\"0\"") == corrupt);
  CHECK(code_with("/model/merges", R"(["ab"])") == corrupt);
  CHECK(code_with("/model/merges", R"(["a b c"])") == corrupt);
  CHECK(code_with("/model/merges", R"([["a"]])") == corrupt);
  CHECK(code_with("/model/merges", R"([["a", "c"]])") == corrupt);
  CHECK(code_with("/model/merges", "[7]") == corrupt);
  CHECK(code_with("/added_tokens/0/id", "1") == corrupt);
  CHECK(code_with("/added_tokens/0/id", "3000000") == corrupt);
  CHECK(code_with("/post_processor/sep", R"(["<s>", 4])") == corrupt);
  CHECK(code_with("/post_processor/sep", "[]") == corrupt);
  CHECK(code_with("/pre_tokenizer/type", "3") == corrupt);
}

TEST_CASE("what a tokenizer.json asks beyond what is known is refused by name") {
  const auto unsupported = ErrorCode::unsupported;
  CHECK(code_with("/model/type", "\"Unigram\"") == unsupported);
  const auto unigram = Json::parse(R"({"model": {"vocab": [["a", -1.5]], "unk_id": 0}})");
  CHECK_THROWS_WITH_AS(tokenizer::impl_from_json(unigram), doctest::Contains("Unigram"), Error);
  CHECK(code_with("/pre_tokenizer/type", "\"BertPreTokenizer\"") == unsupported);
  CHECK(code_with("/normalizer", R"({"type": "Precompiled"})") == unsupported);
  CHECK(code_with("/decoder/type", "\"CTC\"") == unsupported);
  CHECK(code_with("/post_processor/type", "\"Other\"") == unsupported);
  CHECK(code_with("/added_tokens/0", R"({"id": 3, "content": "<s>", "single_word": true})") ==
        unsupported);
  CHECK(code_with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated",
                                        "pattern": {"Regex": "[a-c&&b]"}})") == unsupported);
  CHECK(code_with("/pre_tokenizer", R"({"type": "Split", "behavior": "Isolated",
                                        "pattern": {"Regex": "(a"}})") == unsupported);
}

TEST_CASE("a pattern that would take for ever is stopped") {
  const tokenizer::PreTokenizer pre_tokenizer({{"(a+)+(b|c)\\1$"}}, tokenizer::UnicodeEdition::v16);
  const std::string text(200, 'a');
  CHECK(code_of([&] { pre_tokenizer.split(text + "b"); }) == ErrorCode::unsupported);
}

TEST_CASE("normalisers that multiply a text are stopped") {
  std::vector<tokenizer::NormalizerStep> steps(40, tokenizer::ReplaceText{"a", "aa"});
  const tokenizer::Normalizer normalizer(std::move(steps));
  CHECK(code_of([&] { normalizer.apply("a", true); }) == ErrorCode::unsupported);
}

}  // namespace
}  // namespace quern
