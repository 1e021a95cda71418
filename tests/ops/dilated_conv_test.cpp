#include <doctest/doctest.h>

#include <string>

#include "ops/packed_conv.h"
#include "quern/ops.h"
#include "support/op_check.h"

using namespace quern;

namespace {

using Kind = ActivationFunction::Kind;

/// A convolution followed by an addition and relu, by every implementation, against f64.
void check_convolution(const Shape& src, const Shape& weight_shape, const ops::ConvOptions& options,
                       Runs& runs) {
  CAPTURE(to_string(src));
  CAPTURE(to_string(weight_shape));
  const Tensor x = hashed_tensor(1, src, DType::f32);
  const Tensor weight = hashed_tensor(2, weight_shape, DType::f32);
  const Tensor bias = hashed_tensor(3, {weight_shape[0]}, DType::f32);
  const Tensor plain =
      ops::conv(x.cast(DType::f64), weight.cast(DType::f64), bias.cast(DType::f64), options);
  const Tensor other = hashed_tensor(4, plain.shape(), DType::f32);
  const Tensor expected = ops::relu(ops::add(plain, other.cast(DType::f64))).cast(DType::f32);
  const ops::PackedConv conv(
      {.weight = weight, .bias = bias, .options = options, .steps = {Binary::add, Kind::relu}});
  const std::int64_t terms = weight.numel() / weight_shape[0];
  for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
    const Tensor source = ops::in_layout(x, DType::f32, layout);
    for (const auto& implementation : ops::conv_implementations()) {
      CAPTURE(std::string(implementation.name));
      const Tensor dst = ops::empty_in(layout, expected.shape(), DType::f32);
      const Tensor operand = ops::in_layout(other, DType::f32, layout);
      const bool ran = implementation.run({conv.impl(), source, dst, {operand}});
      runs[implementation.name] += ran ? 1 : 0;
      if (!ran) continue;
      const std::string wrong = difference(dst.contiguous(), expected, terms);
      CHECK_MESSAGE(wrong.empty(), wrong);
    }
    const Tensor residual = ops::in_layout(other, DType::f32, layout).clone();
    const Tensor sum = ops::in_layout(residual, DType::f32, layout);
    conv.run(source, sum, {{sum}});
    const std::string wrong = difference(sum.contiguous(), expected, terms);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

}  // namespace

TEST_CASE("windows that reach far, some of them beyond the image") {
  Runs runs;
  for (const std::int64_t d : {1, 2, 3, 7, 13}) {
    CAPTURE(d);
    check_convolution({2, 17, 11, 13}, {19, 17, 3, 3},
                      {.dilations = {d, d}, .pads_begin = {d, d}, .pads_end = {d, d}}, runs);
    check_convolution(
        {1, 16, 9, 29}, {33, 16, 2, 5},
        {.strides = {2, 1}, .dilations = {1, d}, .pads_begin = {0, 2 * d}, .pads_end = {3, 2 * d}},
        runs);
    check_convolution(
        {1, 16, 9, 29}, {16, 16, 3, 3},
        {.strides = {1, 3}, .dilations = {d, 2}, .pads_begin = {d, 1}, .pads_end = {d, 4}}, runs);
    check_convolution({2, 16, 37}, {17, 16, 3},
                      {.dilations = {d}, .pads_begin = {d}, .pads_end = {d}}, runs);
  }
  check_runs("a convolution that reaches far", runs, {"depthwise", "winograd"});
}

TEST_CASE("channels that are convolved by themselves, over one axis and over two") {
  Runs runs;
  for (const std::int64_t d : {1, 2, 7, 129}) {
    CAPTURE(d);
    for (const std::int64_t channels : {1, 7, 13, 128}) {
      ops::ConvOptions options{
          .dilations = {d}, .pads_begin = {d}, .pads_end = {d}, .groups = channels};
      check_convolution({2, channels, 131}, {channels, 1, 3}, options, runs);
      options.strides = {3};
      check_convolution({1, channels, 131}, {channels, 1, 3}, options, runs);
    }
    check_convolution({1, 19, 9, 13}, {19, 1, 3, 3},
                      {.dilations = {d, d}, .pads_begin = {d, d}, .pads_end = {d, d}, .groups = 19},
                      runs);
  }
  check_runs("a convolution channel by channel", runs, {"taps", "winograd"});
}
