#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "io/json.h"
#include "quern/chat_template.h"
#include "quern/error.h"
#include "support/test_data.h"

namespace quern {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kTimeOfCases = 1'796'040'000;  // 2026-11-30 12:00 UTC

/// The text, or "refused".
std::string outcome(const ChatTemplate& chat, const io::OrderedJson& test) {
  try {
    return chat.render_context(test.at("context").dump(), kTimeOfCases);
  } catch (const Error&) {
    return "refused";
  }
}

TEST_CASE("templates of published models render as transformers renders them") {
  const auto folder = test_data("templates");
  if (!folder) return;
  int templates = 0;
  for (const auto& entry : fs::directory_iterator(*folder)) {
    if (entry.path().extension() != ".jinja") continue;
    CAPTURE(entry.path().filename().string());
    const auto chat = ChatTemplate::load(entry.path().string());
    std::ifstream file(fs::path(entry.path()).replace_extension(".cases.json"));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const auto& test : io::parse_ordered_json(text, "cases")) {
      CAPTURE(test.at("case").get<std::string>());
      CHECK(outcome(chat, test) ==
            (test.contains("error") ? "refused" : test.at("output").get<std::string>()));
    }
    ++templates;
  }
  CHECK(templates > 0);
}

}  // namespace
}  // namespace quern
