#include "quern/tokenizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "io/json.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern {
namespace {

Tokenizer load(const std::string& name) {
  return Tokenizer::load("tests/data/tokenizer/" + name + ".json");
}

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() % 8 < 6 ? random() % 256 : ' ');
  return bytes;
}

TEST_CASE("any bytes come back where the vocabulary has bytes") {
  std::mt19937 random(11);
  for (const char* name : {"byte_level", "prepend", "merged"}) {
    const Tokenizer tokenizer = load(name);
    for (std::size_t size = 0; size < 200; ++size) {
      const std::string text = random_bytes(random, size);
      const auto ids = tokenizer.encode(text);
      REQUIRE(tokenizer.decode(ids) == text);
      std::string streamed;
      for (const TokenId id : ids) streamed += tokenizer.piece(id);
      CHECK(streamed.ends_with(text));
    }
  }
}

TEST_CASE("a byte that is not UTF-8 is one token") {
  const Tokenizer tokenizer = load("prepend");
  const auto ids = tokenizer.encode("\xff\xc3", {.add_special = false});
  REQUIRE(ids.size() == 3);
  CHECK(ids[1] == tokenizer.find("<0xFF>"));
  CHECK(ids[2] == tokenizer.find("<0xC3>"));
  CHECK(load("byte_level").encode("\xff\xff", {.add_special = false}).size() == 2);
}

TEST_CASE("pieces are one text, special tokens within those that parse them only") {
  for (const char* name : {"prepend", "metaspace_first", "merged"}) {
    CAPTURE(name);
    const Tokenizer tokenizer = load(name);
    const TokenId open = *tokenizer.find("<s>");
    const TokenId close = *tokenizer.find("</s>");
    const auto count = [&](const std::vector<TextPiece>& pieces, TokenId id) {
      return std::ranges::count(tokenizer.encode(pieces, false), id);
    };
    CHECK(count({{"<s>a", true}, {"b</s> <s>", false}, {"c</s>", true}}, open) == 1);
    CHECK(count({{"<s>a", true}, {"b</s> <s>", false}, {"c</s>", true}}, close) == 1);
    CHECK(count({{"a<", true}, {"/s>", false}}, close) == 0);
    CHECK(count({{"a</", false}, {"s>b", true}}, close) == 0);
    CHECK(count({{"", true}, {"<s>", false}, {"", true}}, open) == 0);
    const std::vector<TextPiece> harmless{{"<s>the us", true}, {"er an", false}, {"d</s>", true}};
    for (const bool add_special : {false, true}) {
      CHECK(tokenizer.encode(harmless, add_special) ==
            tokenizer.encode("<s>the user and</s>",
                             {.add_special = add_special, .parse_special = true}));
    }
    CHECK(tokenizer.encode(std::vector<TextPiece>{}, false).empty());
  }
}

TEST_CASE("plain text never becomes a special token") {
  for (const char* name : {"prepend", "metaspace_first", "merged"}) {
    const Tokenizer tokenizer = load(name);
    for (const TokenId id : tokenizer.encode("<s></s> <unk><s>", {.add_special = false})) {
      CHECK((!tokenizer.is_special(id) || tokenizer.piece(id).empty()));
      CHECK(id != tokenizer.find("<s>"));
      CHECK(id != tokenizer.find("</s>"));
    }
    const auto parsed = tokenizer.encode("<s></s>", {.add_special = false, .parse_special = true});
    CHECK(parsed == std::vector<TokenId>{*tokenizer.find("<s>"), *tokenizer.find("</s>")});
  }
}

TEST_CASE("special tokens are decoded only where they are asked for") {
  const Tokenizer tokenizer = load("prepend");
  const auto ids = tokenizer.encode("Hello");
  CHECK(ids[0] == tokenizer.bos());
  CHECK(tokenizer.decode(ids) == "Hello");
  CHECK(tokenizer.decode(ids, true) == "<s> Hello");
  CHECK(tokenizer.piece(ids[0]).empty());
}

TEST_CASE("an id outside the vocabulary is refused") {
  const Tokenizer tokenizer = load("byte_level");
  const auto end = static_cast<TokenId>(tokenizer.vocab_size());
  for (const TokenId id : {TokenId{-1}, end}) {
    CHECK(code_of([&] { tokenizer.decode(std::vector{id}); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { tokenizer.piece(id); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { tokenizer.is_special(id); }) == ErrorCode::invalid_argument);
  }
  CHECK(!tokenizer.find("no such token"));
}

TEST_CASE("a long text without spaces is merged in n log n steps") {
  const std::string word(std::size_t{1} << 20, 'a');
  for (const char* name : {"byte_level", "prepend"}) {
    const Tokenizer tokenizer = load(name);
    CHECK(tokenizer.decode(tokenizer.encode(word)) == word);
  }
  std::string marks = "a";  // normalised to a canonical order
  for (int i = 0; i < 100'000; ++i) marks += "\u0301\u0327";
  CHECK(load("steps").encode(marks).size() > 100'000);
}

TEST_CASE("a file that is no tokenizer is refused") {
  const TemporaryFolder folder;
  CHECK(code_of([&] { Tokenizer::load(folder.path("none")); }) == ErrorCode::not_found);
  CHECK(code_of([&] { Tokenizer::load(folder.path("")); }) == ErrorCode::not_found);
  const auto text = folder.write("notes.txt", "tokens: a b c");
  CHECK(code_of([&] { Tokenizer::load(text); }) == ErrorCode::corrupt_file);
}

}  // namespace
}  // namespace quern
