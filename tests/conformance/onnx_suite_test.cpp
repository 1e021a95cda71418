#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "support/temporary_folder.h"
#include "support/test_data.h"

using namespace quern;

namespace {

/// A line a case: its name, a tab, why it fails.
std::set<std::string> known_failures() {
  std::set<std::string> names;
  std::ifstream file("tests/conformance/known_failures.txt");
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    REQUIRE_MESSAGE(tab + 1 < line.size(), "no reason: " << line);
    names.insert(line.substr(0, tab));
  }
  return names;
}

/// What `quern onnx-test` says of each case of a folder: empty of one that passes.
std::map<std::string, std::string> outcomes(const std::string& folder,
                                            const std::string& options = {}) {
  const TemporaryFolder temporary;
  const std::string out = temporary.path("out");
  const std::string command =
      "'" QUERN_PROGRAM "' onnx-test '" + folder + "' " + options + " >'" + out + "'";
  const int status = std::system(command.c_str());
  REQUIRE_MESSAGE((WIFEXITED(status) && WEXITSTATUS(status) <= 1), command << ": " << status);
  std::map<std::string, std::string> found;
  std::ifstream file(out);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("pass ")) found[line.substr(5)] = "";
    if (line.starts_with("FAIL ")) {
      const std::size_t colon = line.find(':');
      found[line.substr(5, colon - 5)] = line.substr(colon + 1);
    }
  }
  return found;
}

/// Fails on a case that fails and is not listed, and on a listed one that passes.
void check_suite(const char* folder, std::size_t at_least) {
  const auto path = test_data(folder);
  if (!path) return;
  const std::set<std::string> known = known_failures();
  const auto found = outcomes(path->string());
  CHECK(found.size() >= at_least);
  for (const auto& outcome : found) {
    const std::string& name = outcome.first;
    const std::string& wrong = outcome.second;
    const bool listed = known.contains(name);
    CHECK_MESSAGE((wrong.empty() || listed), name << ":" << wrong);
    CHECK_MESSAGE(!(wrong.empty() && listed), name << " passes and is a known failure");
  }
}

/// Fails on a model that fails, and where fewer than `at_least` run.
void check_models(const std::string& options, std::size_t at_least) {
  const auto path = test_data("onnx/models");
  if (!path) return;
  const auto found = outcomes(path->string(), options);
  CHECK(found.size() >= at_least);
  for (const auto& model : found)
    CHECK_MESSAGE(model.second.empty(), model.first << ":" << model.second);
}

}  // namespace

TEST_CASE("trained models give their references' outputs") { check_models("", 16); }
TEST_CASE("trained models give their references' outputs in batches") {
  check_models("--batch 3", 5);
}
TEST_CASE("the standard's operators give its outputs") { check_suite("onnx/node", 1765); }
TEST_CASE("the standard's simple models give its outputs") { check_suite("onnx/simple", 23); }
TEST_CASE("the standard's light models give its outputs") { check_suite("onnx/light", 9); }
TEST_CASE("graphs after reports of what other engines got wrong give right outputs") {
  check_suite("onnx/reports", 190);
}
