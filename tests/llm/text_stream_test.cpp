#include "llm/text_stream.h"

#include <doctest/doctest.h>

using namespace quern::llm;

namespace {

/// Feeds `text` in pieces of `size` bytes; what is shown at once must be whole UTF-8.
std::string streamed(const std::string& text, std::size_t size,
                     const std::vector<std::string>& stops) {
  TextStream stream(stops);
  std::string shown;
  for (std::size_t i = 0; i < text.size() && !stream.stopped(); i += size)
    shown += stream.push(text.substr(i, size));
  if (!stream.stopped()) shown += stream.finish();
  return shown;
}

}  // namespace

TEST_CASE("a text comes through whole, however it is cut") {
  const std::string text = "naïve 日本語 🙂 end";
  for (const std::size_t size : {1, 2, 3, 5, 100}) CHECK(streamed(text, size, {"never"}) == text);
}

TEST_CASE("pieces never cut a UTF-8 sequence") {
  TextStream stream({});
  CHECK(stream.push("a\xe6\x97") == "a");
  CHECK(stream.push("\xa5") == "\xe6\x97\xa5");
  CHECK(stream.push("\xf0\x9f") == "");
  CHECK(stream.finish() == "\xef\xbf\xbd");
}

TEST_CASE("bytes that begin no sequence are not held back") {
  TextStream stream({});
  CHECK(stream.push("\xff") == "\xff");
  CHECK(stream.push("\x80") == "\x80");
}

TEST_CASE("the text ends before the first stop string, which is not shown even in part") {
  for (const std::size_t size : {1, 2, 3, 100}) {
    CHECK(streamed("one STOP two", size, {"STOP"}) == "one ");
    CHECK(streamed("aabaac", size, {"aac"}) == "aab");
    CHECK(streamed("x<|y|> STO", size, {"STOP", "|>>"}) == "x<|y|> STO");
    CHECK(streamed("日本語。終", size, {"。"}) == "日本語");
  }
  TextStream stream(std::vector<std::string>{"STOP", "STARS"});
  CHECK(stream.push("the ST") == "the ");
  CHECK(stream.push("AR") == "");
  CHECK(stream.push("T") == "START");
}
