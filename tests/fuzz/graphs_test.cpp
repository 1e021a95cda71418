#include <doctest/doctest.h>

#include <filesystem>
#include <random>
#include <vector>

#include "fuzz/exact_bytes.h"
#include "fuzz/targets.h"
#include "support/runtime_guard.h"

using namespace quern;
namespace fs = std::filesystem;

// The targets abort where something is wrong.

TEST_CASE("a model cut short, or with a byte changed, is refused or runs") {
  const RuntimeGuard guard;
  int models = 0;
  for (const auto& entry : fs::directory_iterator("tests/data/contrib")) {
    const fuzz::ExactBytes whole(entry.path() / "model.onnx");
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 12) {
      fuzz::onnx(fuzz::ExactBytes(whole.span().first(at)).span());
      const fuzz::ExactBytes changed(whole.span());
      changed.span()[at] = ~changed.span()[at];
      fuzz::onnx(changed.span());
    }
    ++models;
  }
  CHECK(models > 50);
}

TEST_CASE("graphs made at random are refused or run") {
  const RuntimeGuard guard;
  std::minstd_rand random(7);
  for (int i = 0; i < 500; ++i) {
    std::vector<std::byte> bytes(100 + random() % 3000);
    for (std::byte& byte : bytes)
      byte = static_cast<std::byte>(random() % (i % 2 == 0 ? 200 : 256));
    fuzz::graph(fuzz::ExactBytes(bytes).span());
  }
}
