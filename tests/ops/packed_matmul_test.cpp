#include "ops/packed_matmul.h"

#include <doctest/doctest.h>

#include <vector>

#include "quern/ops.h"
#include "support/op_check.h"

using namespace quern;

TEST_CASE("a packed product gives few rows and many the same, whichever came first") {
  using Kind = ActivationFunction::Kind;
  constexpr std::int64_t kIn = 67;
  constexpr std::int64_t kOut = 131;
  const Tensor bias = hashed_tensor(2, {kOut});
  for (const bool transposed : {false, true}) {
    const Tensor weight =
        transposed ? hashed_tensor(1, {kOut, kIn}).transpose(0, 1) : hashed_tensor(1, {kIn, kOut});
    for (const bool few_first : {false, true}) {
      const ops::PackedMatMul product({.weight = weight, .steps = {Kind::silu, Binary::add}});
      const ops::PackedMatMul with_bias(
          {.weight = weight, .bias = bias, .steps = {Kind::relu, Binary::mul}});
      std::vector<std::int64_t> sizes{1, 2, 3, 4, 5, 40};
      if (!few_first) sizes = {40, 1, 4, 5, 3, 2};
      for (const std::int64_t rows : sizes) {
        CAPTURE(rows);
        const Tensor x = hashed_tensor(3, {rows, kIn});
        const Tensor other = hashed_tensor(4, {rows, kOut});
        const Tensor scale = hashed_tensor(5, {kOut});
        const auto wide = [](const Tensor& t) { return t.cast(DType::f64); };
        const Tensor plain = ops::matmul(wide(x), wide(weight));
        const auto check = [&](const Tensor& result, const Tensor& expected) {
          const std::string wrong = difference(result, expected.cast(DType::f32), kIn);
          CHECK_MESSAGE(wrong.empty(), wrong);
        };
        check(product(x, {{other}}), ops::add(ops::silu(plain), wide(other)));
        check(with_bias(x, {{scale}}),
              ops::mul(ops::relu(ops::add(plain, wide(bias))), wide(scale)));
      }
    }
  }
}
