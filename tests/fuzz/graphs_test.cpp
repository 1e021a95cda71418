#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <vector>

#include "fuzz/targets.h"
#include "support/runtime_guard.h"

using namespace quern;
namespace fs = std::filesystem;

namespace {

std::vector<char> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// `target` on a copy of just its size, so that a sanitizer sees the first byte past its end.
void run(void (*target)(std::span<const std::byte>), const std::vector<char>& content) {
  const auto bytes = std::make_unique<std::byte[]>(content.size());
  std::ranges::transform(content, bytes.get(), [](char c) { return static_cast<std::byte>(c); });
  target(std::span(bytes.get(), content.size()));
}

}  // namespace

// The targets abort where something is wrong.

TEST_CASE("a model cut short, or with a byte changed, is refused or runs") {
  const RuntimeGuard guard;
  int models = 0;
  for (const auto& entry : fs::directory_iterator("tests/data/contrib")) {
    const std::vector<char> whole = read_file(entry.path() / "model.onnx");
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 12) {
      run(fuzz::onnx, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at)});
      std::vector<char> changed = whole;
      changed[at] = static_cast<char>(~changed[at]);
      run(fuzz::onnx, changed);
    }
    ++models;
  }
  CHECK(models > 50);
}

TEST_CASE("graphs made at random are refused or run") {
  const RuntimeGuard guard;
  std::minstd_rand random(7);
  for (int i = 0; i < 500; ++i) {
    std::vector<char> bytes(100 + random() % 3000);
    for (char& byte : bytes) byte = static_cast<char>(random() % (i % 2 == 0 ? 200 : 256));
    run(fuzz::graph, bytes);
  }
}
