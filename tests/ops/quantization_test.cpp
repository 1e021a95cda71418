#include "quern/ops/quantization.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "support/error_code.h"

namespace quern::ops {
namespace {

TEST_CASE("a block may be longer than its axis, whatever its size") {
  const Tensor q = Tensor::from(std::vector<std::int8_t>{1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor scale = Tensor::from({2.f, 0.5f}, {1, 2});
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t size : {std::int64_t{3}, std::int64_t{4}, kLargest - 1, kLargest}) {
    CAPTURE(size);
    const Tensor x = dequantize(q, scale, {}, {.along = {.axis = 0, .block_size = size}});
    const auto values = x.data<float>();
    CHECK(std::vector(values.begin(), values.end()) == std::vector<float>{2, 1, 6, 2, 10, 3});
  }
  CHECK(code_of([&] { dequantize(q, scale, {}, {.along = {.axis = 0, .block_size = 2}}); }) ==
        ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern::ops
