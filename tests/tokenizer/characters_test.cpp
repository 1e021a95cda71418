#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "io/json.h"
#include "quern/tokenizer.h"
#include "support/test_data.h"
#include "tokenizer/from_json.h"
#include "tokenizer/load.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/utf8.h"

namespace quern {
namespace {

using Ids = std::vector<TokenId>;
using Texts = std::vector<std::string>;
using tokenizer::UnicodeEdition;

/// The words that matches of `pattern` make, joined by "|".
std::string split(const std::string& text, const char* pattern, UnicodeEdition edition) {
  const tokenizer::PreTokenizer pre_tokenizer({{pattern}}, edition);
  std::string words;
  for (const std::string_view word : pre_tokenizer.split(text))
    words.append(words.empty() ? "" : "|").append(word);
  return words;
}

TEST_CASE("characters are what the reference's Unicode version says, not PCRE2's") {
  for (const auto edition : {UnicodeEdition::v15, UnicodeEdition::v16}) {
    CHECK(split("a\u180eb", R"(\s)", edition) == "a\u180eb");
    CHECK(split("a\u3000b", R"(\s)", edition) == "a|\u3000|b");
    CHECK(split("a\u180e b", R"(\s|\p{Cf}+)", edition) == "a|\u180e| |b");
  }
  // A capital letter since Unicode 16.
  CHECK(split("a\u1c89b", R"(\p{L}+)", UnicodeEdition::v16) == "a\u1c89b");
  CHECK(split("a\u1c89b", R"(\p{L}+)", UnicodeEdition::v15) == "a|\u1c89|b");
  CHECK(split("a\u1c89b", R"(\p{Ll}+)", UnicodeEdition::v16) == "a|\u1c89|b");
}

Ids ids_after(const char* pre_tokenizer, const std::string& text) {
  const auto tokenizer = tokenizer_from_gguf(
      {{"tokenizer.ggml.model", "gpt2"},
       {"tokenizer.ggml.pre", pre_tokenizer},
       {"tokenizer.ggml.tokens", Texts{"\u0120", "`", "\u0120`", "~", "\u0120~"}},
       {"tokenizer.ggml.token_type", std::vector<std::int64_t>{1, 1, 1, 1, 1}},
       {"tokenizer.ggml.merges", Texts{"\u0120 `", "\u0120 ~"}}});
  return tokenizer.encode(text, {.add_special = false});
}

TEST_CASE("the backtick is punctuation to Falcon's pre-tokenizer, not to the default one") {
  CHECK(ids_after("default", " ` ~") == Ids{2, 0, 3});
  CHECK(ids_after("falcon", " ` ~") == Ids{0, 1, 0, 3});
}

TEST_CASE("steps after ByteLevel see the characters that bytes are written as") {
  const auto json = io::Json::parse(R"({
    "model": {"type": "BPE", "merges": ["Ġ 1", "1 2", "12 3", "3 4", "Ã ²"],
              "vocab": {"Ġ": 0, "1": 1, "2": 2, "3": 3, "4": 4, "12": 5, "123": 6, "Ġ1": 7,
                        "34": 8, "Ã": 9, "²": 10, "Ã²": 11}},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Punctuation", "behavior": "Contiguous"},
      {"type": "ByteLevel", "add_prefix_space": false},
      {"type": "Digits", "individual_digits": false},
      {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated"}]},
    "decoder": {"type": "ByteLevel"}})");
  const Tokenizer falcon(tokenizer::impl_from_json(json));
  const auto ids = [&](const char* text) { return falcon.encode(text); };
  CHECK(ids("1234") == Ids{6, 4});
  CHECK(ids(" 12") == Ids{0, 5});
  CHECK(ids("12 34 1231") == Ids{5, 0, 8, 0, 6, 1});
  CHECK(ids("\u00f2") == Ids{9, 10});  // its second byte is written as a superscript two
}

std::uint64_t hash_block(const Tokenizer& tokenizer, char32_t first) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (char32_t code = first; code < first + 0x1000; ++code) {
    if (code == 0 || (code >= 0xd800 && code < 0xe000)) continue;
    std::string one;
    tokenizer::append_utf8(one, code);
    const std::string text = "a" + one + "1 " + one + one + ". x " + one + "\n" + one;
    for (const TokenId id : tokenizer.encode(text, {.add_special = false}))
      hash = (hash ^ static_cast<std::uint64_t>(id)) * 0x100000001b3;
  }
  return hash;
}

TEST_CASE("CLIP's ids of every assigned code point are the reference's") {
  const auto folder = test_data("tokenizers/hf/clip");
  if (!folder) return;
  const Tokenizer clip = Tokenizer::load(folder->string());
  const io::Json golden = io::read_json("tests/data/tokenizer/clip_code_points.json");
  CHECK(golden.size() == 52);
  for (const auto& [block, hash] : golden.items()) {
    CAPTURE(block);
    const auto first = static_cast<char32_t>(std::stoul(block, nullptr, 16) * 0x1000);
    CHECK(hash_block(clip, first) == std::stoull(hash.get<std::string>(), nullptr, 16));
  }
}

}  // namespace
}  // namespace quern
