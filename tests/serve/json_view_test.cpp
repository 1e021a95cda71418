#include "serve/json_view.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>

#include "quern/error.h"
#include "quern/serve/config.h"
#include "serve/members.h"
#include "support/sanitized.h"

namespace quern::serve {
namespace {

/// The same value, built of what a view says.
Json rebuilt(JsonView view) {
  if (view.is_null()) return nullptr;
  if (view.is_boolean()) return view.boolean();
  if (view.is_string()) return view.string();
  if (const auto number = view.integer<std::int64_t>()) return *number;
  if (const auto number = view.integer<std::uint64_t>()) return *number;
  if (view.is_number()) return view.number();
  Json result = view.is_array() ? Json::array() : Json::object();
  for (const auto& [name, value] : view) {
    if (view.is_array()) {
      result.push_back(rebuilt(value));
    } else {
      result[name.string()] = rebuilt(value);
    }
  }
  return result;
}

bool has_infinity(JsonView view) {
  if (view.is_number()) return std::isinf(view.number());
  for (const auto& [name, value] : view) {
    if (has_infinity(value)) return true;
  }
  return false;
}

bool is_json(std::string_view text) {
  try {
    JsonView::parse(text);
    return true;
  } catch (const JsonError&) {
    return false;
  }
}

const std::vector<std::string> kTexts{
    R"({"model":"story","messages":[{"role":"user","content":"h\u00e9\ud83d\ude00 \"x\" \\ \n"}]})",
    R"( [ 0 , -0.5e+3, 1E-7,12345678901234567890, -9223372036854775808, true,false , null ] )",
    R"({"a":{"b":[[],{},[[]],{"c":""}]},"d":"[{,:}]\"","e":[1,[2,[3]]]})",
    "{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\xe2\x82\xac\", \"\":[\"\",\"\\/\\b\\f\\r\\t\"]}",
};

constexpr std::size_t kTextSize = usually(8 << 20, 1 << 20);

/// 8 MB of a pattern within an object.
std::string many(const std::string& before, const std::string& pattern, const std::string& after) {
  std::string text = before;
  while (text.size() < kTextSize - 100) text += pattern;
  return text + after;
}

/// Bodies whose values, built one by one, take many times their bytes.
std::vector<std::string> hostile_bodies() {
  std::string members = R"({"user":{)";
  for (int i = 0; members.size() < kTextSize - 100; ++i) members += fmt::format("\"{}\":0,", i);
  return {
      many(R"({"user":[)", "{},", "{}]}"),
      many(R"({"user":[)", "[],", "[]]}"),
      many(R"({"user":[)", "0,", "0]}"),
      many(R"({"user":[)", R"("",)", "0]}"),
      many(R"({"user":[)", std::string(60, '[') + std::string(60, ']') + ",", "0]}"),
      many(R"({"user":{"a":0)", R"(,"a":0)", "}}"),
      many(R"({"user":")", R"(\u00e9)", R"("})"),
      many(R"({"user":)", "9", "}"),
      many("{\"user\":1", " ", "}"),
      members + "\"\":0}}",
  };
}

}  // namespace

TEST_CASE("a view of JSON has the values that another reader has") {
  for (const std::string& text : kTexts) {
    CAPTURE(text);
    CHECK(rebuilt(JsonView::parse(text)) == Json::parse(text));
  }
  CHECK(JsonView::parse("1e999").number() == HUGE_VAL);
  CHECK(JsonView::parse("-12e999999999999").number() == -HUGE_VAL);
  CHECK(JsonView::parse("1e-999").number() == 0);
  CHECK(JsonView::parse("0." + std::string(400, '0') + "1").number() == 0);
  CHECK(JsonView::parse("1" + std::string(400, '0')).number() == HUGE_VAL);
  CHECK_FALSE(JsonView::parse("300").integer<std::uint8_t>());
  CHECK_FALSE(JsonView::parse("1.0").integer<std::int64_t>());
}

TEST_CASE("what one reader of JSON refuses, the other does") {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "tru",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "+1",
                           "-",
                           "--1",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:1}",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\n\"",
                           "\"\x01\"",
                           "[1]]",
                           "{} {}",
                           "NaN",
                           "Infinity",
                           "\"\xff\"",
                           "\"\xc0\xaf\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xe2\x82\"",
                           "[\"a\",",
                           "{\"a\":1"}) {
    CAPTURE(text);
    CHECK_FALSE(is_json(text));
  }
  std::mt19937 random(7);
  const std::string alphabet = R"({}[]",:\/u0189ade.+- ntrulfs)";
  constexpr int kMutations = usually(20'000, 2'000);
  int valid = 0;
  for (int round = 0; round < kMutations; ++round) {
    std::string text = kTexts[random() % kTexts.size()];
    for (auto changes = random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      if (random() % 2 == 0) text.erase(at, 1 + random() % 3);
      text.insert(std::min(at, text.size()), 1, alphabet[random() % alphabet.size()]);
    }
    CAPTURE(text);
    if (is_json(text) && has_infinity(JsonView::parse(text))) continue;  // the other refuses it
    const Json other = Json::parse(text, nullptr, false);
    REQUIRE(is_json(text) == !other.is_discarded());
    if (other.is_discarded()) continue;
    ++valid;
    REQUIRE(rebuilt(JsonView::parse(text)) == other);
  }
  CHECK(valid > kMutations / 10);
}

TEST_CASE("nesting has its bound, and numbers that JSON lacks are taken where they are asked for") {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(is_json(nested(64)));
  CHECK_FALSE(is_json(nested(65)));
  CHECK_FALSE(is_json(std::string(4'000'000, '[')));
  const JsonView view = JsonView::parse("[NaN,Infinity,-Infinity,-1]", {.allows_nonfinite = true});
  std::vector<double> values;
  for (const auto& [unnamed, value] : view) values.push_back(value.number());
  REQUIRE(values.size() == 4);
  CHECK(std::isnan(values[0]));
  CHECK(values[1] == HUGE_VAL);
  CHECK(values[2] == -HUGE_VAL);
}

TEST_CASE("leaves are what stands in arrays within arrays") {
  std::vector<std::string> leaves;
  for (const auto& [unnamed, leaf] :
       JsonView::parse(R"([[1,[ ]],[["]"], [{"a":[2]}] ] ])").leaves())
    leaves.emplace_back(leaf.text());
  CHECK(leaves == std::vector<std::string>{"1", "\"]\"", "{\"a\":[2]}"});
}

TEST_CASE("8 MB of any JSON are checked in a second") {
  for (const std::string& body : hostile_bodies()) {
    CAPTURE(body.substr(0, 20));
    const auto begun = std::clock();
    const JsonView view = parse_body(body);
    Members members(view);
    members.ignore("user");
    members.no_others();
    CHECK(members.find("user")->text().size() < body.size());
    const auto seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    CHECK(seconds < (kSanitized ? 20 : 1));
  }
}

TEST_CASE("a configuration of 8 MB is refused in a second") {
  for (const std::string& text : hostile_bodies()) {
    CAPTURE(text.substr(0, 20));
    const auto begun = std::clock();
    CHECK_THROWS_AS(Config::parse(text, "quern.json"), Error);
    const auto seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    CHECK(seconds < (kSanitized ? 20 : 1));
  }
}

TEST_CASE("a member that occurs twice is refused, and so are too many") {
  CHECK_THROWS_AS(Members(JsonView::parse(R"({"a":1,"a":1})")), ApiError);
  CHECK_THROWS_AS(Members(JsonView::parse(R"({"a":1,"\u0061":2})")), ApiError);
  std::string many_members = "{\"x\":0";
  for (int i = 0; i < 300; ++i) many_members += fmt::format(",\"{}\":0", i);
  CHECK_THROWS_AS(Members(JsonView::parse(many_members + "}")), ApiError);
}

}  // namespace quern::serve
