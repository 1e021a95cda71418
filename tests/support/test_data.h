#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string_view>

namespace quern {

/// Set by skip(): makes the test program end with the exit code that ctest counts as skipped.
inline bool something_was_skipped = false;

/// Says visibly that a test case, or a part of one, cannot run here; the caller then returns.
inline void skip(std::string_view reason) {
  something_was_skipped = true;
  std::cout << "SKIPPED: " << reason << std::endl;
}

/// A file or folder of the shared test data, which is not part of the project: below the folder
/// that the environment variable QUERN_TEST_DATA names, else `../shared` from the project's root
/// (the working directory of tests). Where it is absent, skips and returns nothing:
///
///     const auto path = test_data("llm/stories260K");
///     if (!path) return;
inline std::optional<std::filesystem::path> test_data(std::string_view relative) {
  const char* root = std::getenv("QUERN_TEST_DATA");
  const auto path = std::filesystem::path(root != nullptr ? root : "../shared") / relative;
  if (std::filesystem::exists(path)) return path;
  skip(path.string() + " is absent");
  return std::nullopt;
}

}  // namespace quern
