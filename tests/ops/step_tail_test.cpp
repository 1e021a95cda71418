#include "ops/step_tail.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/prepared.h"
#include "ops/packed_conv.h"
#include "ops/packed_matmul.h"
#include "ops/winograd.h"
#include "quern/ops.h"
#include "support/golden_inputs.h"
#include "support/op_check.h"

namespace quern {
namespace {

using Kind = ActivationFunction::Kind;

/// silu(x * scale) + addend, in f64.
Tensor tailed(const Tensor& x, const Tensor& scale, const Tensor& addend) {
  const Tensor scaled = ops::mul(x.cast(DType::f64), scale.cast(DType::f64));
  return ops::add(ops::silu(scaled), addend.cast(DType::f64));
}

const std::vector<ops::Step> kTailed{Binary::mul, Kind::silu, Binary::add};

}  // namespace

TEST_CASE("the tail of steps is a function that takes an exponential, and a sum after it") {
  const auto begin = [](const std::vector<ops::Step>& steps) {
    const auto tail = ops::step_tail(steps);
    return tail ? static_cast<int>(tail->begin) + (tail->adds ? 10 : 0) : -1;
  };
  CHECK(begin({}) == -1);
  CHECK(begin({Binary::add}) == -1);
  CHECK(begin({Kind::relu, Binary::add}) == -1);
  CHECK(begin({Kind::silu, Binary::mul}) == -1);
  CHECK(begin({Kind::silu}) == 0);
  CHECK(begin({Binary::add, Kind::gelu_erf}) == 1);
  CHECK(begin(kTailed) == 11);
}

TEST_CASE("a convolution takes the tail of its steps in every implementation and layout") {
  Runs runs;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    for (const auto& [kernel, scales] :
         {std::pair{Shape{64, 48, 3, 3}, false},  // as Winograd's algorithm wants it
          std::pair{Shape{64, 48, 3, 3}, true}, std::pair{Shape{13, 48, 1, 1}, true}}) {
      const bool is_large = kernel[2] > 1;
      if (is_large && dtype != DType::f32) continue;
      CAPTURE(to_string(dtype));
      CAPTURE(to_string(kernel));
      const std::int64_t pad = kernel[2] / 2;
      const Tensor x = hashed_tensor(1, {2, 48, 15, 17}, dtype);
      const Shape channels{1, kernel[0], 1, 1};
      const Tensor scale =
          scales ? hashed_tensor(3, channels, dtype) : Tensor::full(channels, 1, dtype);
      ops::ConvSpec spec{.weight = hashed_tensor(2, kernel, dtype),
                         .options = {.pads_begin = {pad, pad}, .pads_end = {pad, pad}}};
      const Tensor product =
          ops::conv(x.cast(DType::f64), spec.weight.cast(DType::f64), {}, spec.options);
      spec.steps = kTailed;
      if (!scales) spec.steps.erase(spec.steps.begin());
      const ops::PackedConv conv(spec);
      for (const Shape& added : {product.shape(), channels}) {
        const Tensor addend = hashed_tensor(4, added, dtype);
        const Tensor expected = tailed(product, scale, addend).cast(dtype);
        for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
          const Tensor src = ops::in_layout(x, dtype, layout);
          for (const bool in_place : {false, true}) {
            if (in_place && added != product.shape()) continue;
            for (const auto& implementation : ops::conv_implementations()) {
              if (is_large && implementation.name == std::string_view("reference")) continue;
              CAPTURE(std::string(implementation.name));
              const Tensor dst = ops::empty_in(layout, product.shape(), dtype);
              if (in_place) ops::copy_into(addend, dst);
              std::vector<Tensor> operands{in_place ? dst : addend};
              if (scales) operands.insert(operands.begin(), scale);
              const bool ran = implementation.run({conv.impl(), src, dst, operands});
              runs[implementation.name] += ran ? 1 : 0;
              if (!ran) continue;
              const std::string wrong = difference(dst.contiguous(), expected, 48 * 9);
              CHECK_MESSAGE(wrong.empty(), wrong);
            }
          }
        }
      }
    }
  }
  std::vector<std::string> not_by{"depthwise", "taps"};
  if (!has_winograd()) not_by.push_back("winograd");
  check_runs("a convolution with a tail", runs, not_by);
}

TEST_CASE("a product takes the tail of its steps") {
  const Tensor x = hashed_tensor(1, {3, 7, 48}, DType::f32);
  const Tensor weight = hashed_tensor(2, {48, 37}, DType::f32);
  const Tensor scale = hashed_tensor(3, {37}, DType::f32);
  const Tensor product = ops::matmul(x.cast(DType::f64), weight.cast(DType::f64));
  const ops::PackedMatMul packed({.weight = weight, .steps = kTailed});
  for (const Shape& added : {product.shape(), Shape{37}}) {
    const Tensor addend = hashed_tensor(4, added, DType::f32);
    const std::vector<Tensor> operands{scale, addend};
    const std::string wrong =
        difference(packed(x, operands), tailed(product, scale, addend).cast(DType::f32), 48);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

}  // namespace quern
