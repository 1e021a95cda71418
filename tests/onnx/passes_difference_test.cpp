#include "onnx/passes_difference.h"

#include <doctest/doctest.h>

#include "support/sanitized.h"

// More of them, with other seeds: build/<preset>/tests/fuzz/compare_passes.
TEST_CASE("graphs made at random give with all passes what their operators give") {
  constexpr std::uint64_t kGraphs = quern::usually(2000, 100);
  for (std::uint64_t seed = 1; seed <= kGraphs; ++seed) {
    const std::string wrong = quern::random_graphs::passes_difference(seed);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}
