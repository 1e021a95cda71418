#include "quern/ops/text.h"

#include <doctest/doctest.h>

#include "support/error_code.h"

namespace quern::ops {
namespace {

using Strings = std::vector<std::string>;

Tensor row(const Strings& texts) {
  return Tensor::from(texts, {static_cast<std::int64_t>(texts.size())});
}

Strings list(const Tensor& x) {
  const Tensor dense = x.contiguous();
  return {dense.data<std::string>().begin(), dense.data<std::string>().end()};
}

bool matches(const std::string& text, const std::string& pattern) {
  return regex_full_match(Tensor::scalar(text), pattern).item<bool>();
}

TEST_CASE("strings are joined along broadcast axes and through views") {
  const Tensor a = Tensor::from(Strings{"a", "b", "c", "d"}, {2, 2}).transpose(0, 1);
  CHECK(list(string_concat(a, row({"1", "2"}))) == Strings{"a1", "c2", "b1", "d2"});
  CHECK(code_of([&] { string_concat(a, row({"1", "2", "3"})); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          string_concat(Tensor::zeros({2}), row({"1", "2"}));
        }) == ErrorCode::invalid_argument);
}

TEST_CASE("a string without a delimiter is one piece, and one of white space none") {
  const StringPieces by_dot = string_split(row({"", "a.b"}), {.delimiter = "."});
  CHECK(list(by_dot.pieces) == Strings{"", "", "a", "b"});
  CHECK(by_dot.counts.at<std::int64_t>({0}) == 1);
  const StringPieces by_space = string_split(row({" \t\n", " a  b "}));
  CHECK(list(by_space.pieces) == Strings{"", "", "a", "b"});
  CHECK(by_space.counts.at<std::int64_t>({0}) == 0);
}

TEST_CASE("what is behind the last split stays whole") {
  CHECK(list(string_split(row({"a--b--c"}), {"--", 1}).pieces) == Strings{"a", "b--c"});
  CHECK(list(string_split(row({" a  b  c "}), {"", 1}).pieces) == Strings{"a", "b  c "});
  CHECK(list(string_split(row({"a b"}), {"", 0}).pieces) == Strings{"a b"});
}

TEST_CASE("letters of any script change their case, bytes that are not UTF-8 stay") {
  CHECK(list(change_case(row({"Ærø ДОМ",
                              "\xff"
                              "A"}),
                         LetterCase::lower)) == Strings{"ærø дом",
                                                        "\xff"
                                                        "a"});
  CHECK(list(change_case(row({"straße ñ"}), LetterCase::upper)) == Strings{"STRAßE Ñ"});
}

TEST_CASE("words are removed as they are written, or in any case") {
  const Strings words{"Über"};
  CHECK(list(remove_words(row({"über", "Über", "x"}), words)) == Strings{"über", "x"});
  CHECK(list(remove_words(row({"über", "ÜBER", "x"}), words, true)) == Strings{"x"});
}

TEST_CASE("a pattern matches whole strings only") {
  CHECK(matches("abab", "(ab)*"));
  CHECK(matches("", "(ab)*"));
  CHECK_FALSE(matches("ababa", "(ab)*"));
  CHECK_FALSE(matches("a\n", "a$"));
  CHECK(matches("ab", "a|ab"));
  CHECK(matches("Дом", "(?i)дОм"));
}

TEST_CASE("classes of a pattern are of ASCII and a point is a character") {
  CHECK_FALSE(matches("é", "\\w"));
  CHECK(matches("é", "\\W"));
  CHECK(matches("é", "."));
  CHECK_FALSE(matches("\n", "."));
  CHECK(matches("\n", "(?s)."));
  CHECK_FALSE(matches("\xff", "(?s).*"));
}

TEST_CASE("patterns that make others try for ages are matched at once") {
  const std::string text(2000, 'a');
  CHECK_FALSE(matches(text + "b", "(a*)*"));
  CHECK_FALSE(matches(text + "b", "(a|a|aa)+"));
  CHECK(matches(text.substr(0, 100), "(a+)+(a+)+(a+)+(a+)+"));
  CHECK_FALSE(matches(text, "(.*)(.*)(.*)(.*)(.*)[^a]"));
}

TEST_CASE("repetitions within repetitions end in an error on a long text, not in hours") {
  const std::string text(1'000'000, 'a');
  CHECK(code_of([&] { matches(text, "((a+)+)+b"); }) == ErrorCode::unsupported);
  CHECK(matches(text, "(?:aa?)*|[ab]+"));
}

TEST_CASE("what RE2 has not, and patterns too large, are refused") {
  for (const char* pattern :
       {"(a)\\1", "a(?=b)", "(?<!a)b", "(?>a)", "(a", "[b-a]", "a(?R)?b", "(a)(?1)", "(a)(?-1)",
        "a++", "(a|b)*+", "((((a{100}){100}){100}){100})", "(*UCP)a", "\\C"})
    CHECK_MESSAGE(code_of([&] { matches("a", pattern); }) == ErrorCode::unsupported, pattern);
  CHECK(code_of([&] { matches("a", std::string(100'000, 'a')); }) == ErrorCode::unsupported);
  const std::string nested(2000, '(');
  CHECK(code_of([&] { matches("a", nested + std::string(2000, ')')); }) == ErrorCode::unsupported);
}

TEST_CASE("what RE2 has not is none within a class, a quotation or behind an escape") {
  CHECK(matches("\\(?=", "\\\\\\(\\?="));
  CHECK(matches("(?", "[]*+(?=]+"));
  CHECK(matches("a++", "a\\Q++\\E"));
  CHECK(matches("++", "[[:^alpha:]*+]{2}"));
}

TEST_CASE("grams of strings are counted with and without tokens left out") {
  const NgramVocabulary vocabulary{row({"a", "b", "a", "b", "b", "a"}), {0, 2}, {3, 0, 1, 2}};
  const Tensor x = Tensor::from(Strings{"a", "b", "a", "b", "x", "b"}, {2, 3});
  const Tensor y = count_ngrams(x, vocabulary, {.min_length = 1, .max_length = 2, .max_skips = 1});
  CHECK(y.shape() == Shape{2, 4});
  const std::vector<float> want{1, 1, 1, 2, 2, 0, 0, 0};
  CHECK(std::vector<float>(y.data<float>().begin(), y.data<float>().end()) == want);
}

TEST_CASE("vocabularies whose parts do not fit are refused") {
  const Tensor grams = row({"a", "b", "c"});
  const auto code = [&](std::vector<std::int64_t> starts, std::vector<std::int64_t> places) {
    return code_of([&] { count_ngrams(grams, {grams, starts, places}); });
  };
  CHECK_NOTHROW(count_ngrams(grams, {grams, {0}, {0, 1, 2}}));
  CHECK(code({0, 2}, {0, 1}) == ErrorCode::invalid_argument);
  CHECK(code({0, 4}, {0, 1, 2}) == ErrorCode::invalid_argument);
  CHECK(code({0}, {0, 1}) == ErrorCode::invalid_argument);
  CHECK(code({0}, {0, 1, 2, 3}) == ErrorCode::invalid_argument);
  CHECK(code({0}, {0, 1, -1}) == ErrorCode::invalid_argument);
  CHECK(code({0}, {0, 1, std::int64_t{1} << 60}) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern::ops
