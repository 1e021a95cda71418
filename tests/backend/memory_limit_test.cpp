#include <doctest/doctest.h>

#include "ops/packed_weight.h"
#include "support/error_code.h"
#include "support/golden_inputs.h"
#include "support/runtime_guard.h"

using namespace quern;

TEST_CASE("an operation whose memory passes the limit throws, and leaves nothing allocated") {
  constexpr std::int64_t kHeadroom = 100'000;
  const RuntimeGuard guard;
  const Tensor src = hashed_tensor(1, {33, 256});
  const Tensor weights = hashed_tensor(2, {512, 256}, DType::f16);
  const ops::PackedWeight packed{Weight(weights)};
  const Tensor dst = Tensor::empty({33, 512});
  const auto multiply = [&] {
    packed.multiply(src.data<float>().data(), 33, Tensor(dst).mutable_data<float>().data(), {});
  };
  const std::int64_t before = runtime_info().memory_in_use;
  RuntimeOptions options = guard.before();
  options.memory_limit = before + kHeadroom;
  configure(options);
  CHECK(code_of(multiply) == ErrorCode::out_of_memory);  // a panel of decoded weights
  CHECK(code_of([] { Tensor::empty({kHeadroom + 1}, DType::u8); }) == ErrorCode::out_of_memory);
  CHECK(Tensor::empty({kHeadroom / 2}, DType::u8).numel() == kHeadroom / 2);
  CHECK(runtime_info().memory_in_use == before);
  configure(guard.before());
  CHECK_NOTHROW(multiply());
}
