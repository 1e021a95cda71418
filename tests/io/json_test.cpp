#include "io/json.h"

#include <doctest/doctest.h>

#include <ctime>
#include <string>
#include <vector>

#include "quern/error.h"
#include "support/error_code.h"

using namespace quern;
using namespace quern::io;

namespace {

std::string message_of(const std::string& text) {
  try {
    parse_json(text, "x.json");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::corrupt_file);
    return error.what();
  }
  return "no error";
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("every kind of JSON value is read") {
  const Json json = parse_json(
      R"({"a": [1, -2, 2.5e3, true, null, "h\u00e9\n\ud83d\ude00"], "b": {"c": {}, "d": []}})",
      "x");
  CHECK(json["a"][0] == 1);
  CHECK(json["a"][1] == -2);
  CHECK(json["a"][2] == 2500.0);
  CHECK(json["a"][3] == true);
  CHECK(json["a"][4].is_null());
  CHECK(json["a"][5] == "h\xc3\xa9\n\xf0\x9f\x98\x80");
  CHECK(json["b"]["c"].is_object());
  CHECK(json["b"]["d"].is_array());
  CHECK(parse_json(" 7 ", "x") == 7);
}

TEST_CASE("what is not JSON is refused with the offset") {
  CHECK(message_of("[1, 2, oops]") ==
        "x.json: not valid JSON: parse error at line 1, column 8: syntax error while parsing value "
        "- invalid literal; last read: '2, o' (at byte 8)");
  CHECK(message_of("").find("(at byte 0)") != std::string::npos);
  CHECK(message_of("{\"a\": 1").find("(at byte 7)") != std::string::npos);
  CHECK(message_of("1 2") != "no error");
  CHECK(message_of("\"\xff\"") != "no error");
  CHECK(message_of("\"\\ud800\"") != "no error");
  CHECK(message_of("1e999") != "no error");
  CHECK(message_of("NaN") != "no error");
}

TEST_CASE("nesting beyond 64 levels is refused before it is built") {
  CHECK(message_of(nested(64)) == "no error");
  CHECK(message_of(nested(65)) == "x.json: nested more than 64 levels deep (at byte 65)");
  CHECK(message_of(std::string(1 << 20, '[')) ==
        "x.json: nested more than 64 levels deep (at byte 65)");
}

TEST_CASE("a key that occurs twice is refused") {
  CHECK(message_of(R"({"a": 1, "b": 2, "a": 3})") ==
        "x.json: the key \"a\" occurs twice (at byte 20)");
  CHECK(message_of(R"([{"a": 1}, {"a": 1}])") == "no error");
}

TEST_CASE("members are read by type") {
  const Json json = parse_json(R"({"n": 3, "f": 0.5, "b": false, "s": "x", "none": null,
                                   "list": [1, 2], "words": ["p", "q"], "o": {"deep": 4}})",
                               "x");
  const JsonObject object(json, "x");
  CHECK(object.get<std::int64_t>("n") == 3);
  CHECK(object.get<double>("n") == 3.0);
  CHECK(object.get<double>("f") == 0.5);
  CHECK(object.get<bool>("b") == false);
  CHECK(object.get<std::string>("s") == "x");
  CHECK(object.get<std::vector<std::int64_t>>("list") == std::vector<std::int64_t>{1, 2});
  CHECK(object.get<std::vector<std::string>>("words") == std::vector<std::string>{"p", "q"});
  CHECK(object.object("o").get<std::int64_t>("deep") == 4);
  CHECK(object.array("list").size() == 2);
  CHECK(object.contains("n"));
  CHECK_FALSE(object.contains("none"));
  CHECK_FALSE(object.find<double>("none").has_value());
  CHECK_FALSE(object.find_object("absent").has_value());
  CHECK(object.get_or<std::int64_t>("absent", 9) == 9);
  CHECK(object.get_or<std::int64_t>("n", 9) == 3);
}

TEST_CASE("a member of another type is an error that says what and where") {
  const Json json = parse_json(
      R"({"n": "abc", "big": 9223372036854775808, "f": 1.5, "o": {"x": [1, "two"]}})", "config");
  const JsonObject object(json, "config.json");
  CHECK(error_of([&] { object.get<std::int64_t>("n"); }) ==
        "config.json: \"n\": expected an integer, got \"abc\"");
  CHECK(error_of([&] { object.get_or<std::int64_t>("f", 1); }) ==
        "config.json: \"f\": expected an integer, got 1.5");
  CHECK(error_of([&] { object.get<std::int64_t>("big"); }) ==
        "config.json: \"big\": expected an integer, got 9223372036854775808");
  CHECK(error_of([&] { object.object("o").get<std::vector<double>>("x"); }) ==
        "config.json: \"o.x\": expected an array of numbers, got an array");
  CHECK(error_of([&] { object.object("n"); }) ==
        "config.json: \"n\": expected an object, got \"abc\"");
  CHECK(error_of([&] { object.object("o").get<bool>("y"); }) == "config.json: \"o.y\" is missing");
  CHECK(code_of([&] { JsonObject(json["n"], "x"); }) == ErrorCode::corrupt_file);
}

TEST_CASE("the number of values has a limit") {
  std::string text = "[0";
  for (int i = 1; i < 1 << 23; ++i) text += ",0";
  CHECK(message_of(text + "]").find("more than 8388608 values") != std::string::npos);
}

TEST_CASE("a text of 8 MB takes time by its size, whatever is in it") {
  for (const char* pattern : {"{},", "[],", R"({"a":{}},)", "\"\","}) {
    CAPTURE(pattern);
    std::string text = "[";
    while (text.size() < 8'000'000) text += pattern;
    const auto begun = std::clock();
    CHECK(parse_json(text + "0]", "x.json").is_array());
    CHECK(static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC < 60);  // sanitizers too
  }
}
