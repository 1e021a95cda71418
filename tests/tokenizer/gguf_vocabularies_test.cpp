#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "quern/tokenizer.h"
#include "support/test_data.h"

namespace quern {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Case {
  std::string text;
  std::vector<TokenId> ids;
};

/// The texts of NAME.inp with the ids of NAME.out.
std::vector<Case> read_cases(const std::string& stem) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<Case> cases;
  std::istringstream lines(read_file(stem + ".out"));
  std::string texts = read_file(stem + ".inp");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = std::min(texts.find(separator), texts.size());
    Case& one = cases.emplace_back();
    one.text = texts.substr(0, end);
    texts.erase(0, end + separator.size());
    std::istringstream ids(line);
    for (TokenId id; ids >> id;) one.ids.push_back(id);
  }
  return cases;
}

void check_cases(const Tokenizer& tokenizer, const std::vector<Case>& cases) {
  REQUIRE(cases.size() > 40);
  for (const Case& one : cases) {
    CAPTURE(one.text);
    const auto ids = tokenizer.encode(one.text, {.add_special = false});
    CHECK(ids == one.ids);
    CHECK(tokenizer.decode(ids) == one.text);
  }
}

TEST_CASE("every vocabulary stored in GGUF gives the reference's ids, and the text back") {
  for (const std::string name : {"llama-spm", "gpt-2", "falcon", "deepseek-llm", "mpt", "refact"}) {
    CAPTURE(name);
    const auto path = test_data("tokenizers/gguf/ggml-vocab-" + name + ".gguf");
    if (!path) return;
    check_cases(Tokenizer::load(path->string()), read_cases(path->string()));
  }
}

}  // namespace
}  // namespace quern
