#include <array>

#include "backend/prepared.h"
#include "core/parallel.h"
#include "ops/packed_conv.h"
#include "ops/window_options.h"
#include "ops/winograd.h"
#include "support/error_code.h"
#include "support/op_check.h"

using namespace quern;

namespace {

ops::ConvSpec spec_of(const GoldenCase& given, bool transposed) {
  ops::ConvSpec spec{.weight = given.inputs[1].contiguous(),
                     .options = conv_options(given),
                     .transposed = transposed,
                     .output_padding = numbers(given, "output_padding")};
  if (given.inputs.size() > 2) spec.bias = given.inputs[2];
  return spec;
}

std::vector<Computed> run(const GoldenCase& given, bool transposed) {
  const Tensor& x = given.inputs[0];
  const ops::ConvSpec spec = spec_of(given, transposed);
  std::vector<Computed> results;
  const ops::ConvTransposeOptions options{.conv = spec.options,
                                          .output_padding = spec.output_padding};
  results.push_back({"quern::ops", transposed
                                       ? ops::conv_transpose(x, given.inputs[1], spec.bias, options)
                                       : ops::conv(x, given.inputs[1], spec.bias, spec.options)});
  if (results[0].result.numel() == 0) return results;
  const ops::PackedConv conv(spec);
  for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
    run_each(
        ops::conv_implementations(),
        [&] {
          const Shape shape = conv.result_shape(x.shape());
          return ops::ConvArgs{conv.impl(), x, ops::empty_in(layout, shape, x.dtype()), {}};
        },
        results);
  }
  return results;
}

OpUnderTest conv(bool transposed) {
  const auto terms = [](const GoldenCase& given) {
    const Tensor& weight = given.inputs[1];
    return weight.numel() / std::min(weight.dim(0), weight.dim(1));
  };
  // Those for larger images and windows are tried below and in dilated_conv_test.cpp.
  std::vector<std::string> not_by{"taps", "winograd"};
  if (transposed) not_by.push_back("depthwise");
  return {.run = [=](const GoldenCase& given) { return run(given, transposed); },
          .terms = terms,
          .not_by = not_by};
}

}  // namespace

TEST_CASE("conv agrees with PyTorch in every dtype and layout") {
  check_goldens({{"conv", conv(false)}}, "tests/data/network_goldens.safetensors");
}

TEST_CASE("conv_transpose agrees with PyTorch in every dtype and layout") {
  check_goldens({{"conv_transpose", conv(true)}}, "tests/data/network_goldens.safetensors");
}

TEST_CASE("a packed convolution applies its steps in order, whatever the layouts") {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::f64}) {
    CAPTURE(to_string(dtype));
    const Tensor x = hashed_tensor(1, {2, 5, 7, 9}, dtype);
    const Tensor weight = hashed_tensor(2, {13, 5, 3, 3}, dtype);
    const Tensor scale = hashed_tensor(3, {13, 1, 1}, dtype);
    const Tensor residual = hashed_tensor(4, {2, 13, 7, 9}, dtype);
    const ops::ConvOptions options{.pads_begin = {1, 1}, .pads_end = {1, 1}};
    const std::vector<Step> steps{
        with(backend::Binary::mul, scale), apply(backend::Eltwise::clip, -0.5f, 0.75f),
        with(backend::Binary::add, residual), apply(backend::Eltwise::relu)};
    const Tensor expected =
        steps_in_f64(ops::conv(x.cast(DType::f64), weight.cast(DType::f64), {}, options), steps);
    ops::ConvSpec spec{.weight = weight, .options = options};
    using Kind = ActivationFunction::Kind;
    spec.steps = {Binary::mul, {Kind::clip, -0.5f, 0.75f}, Binary::add, Kind::relu};
    const ops::PackedConv conv(spec);
    for (const ops::Layout from : {ops::Layout::contiguous, ops::Layout::channels_last}) {
      for (const ops::Layout to : {ops::Layout::contiguous, ops::Layout::channels_last}) {
        const std::vector<Tensor> operands{scale, ops::in_layout(residual, dtype, from)};
        const Tensor result = conv(ops::in_layout(x, dtype, from), to, operands);
        CHECK(ops::is_channels_last(result) == (to == ops::Layout::channels_last));
        const std::string wrong = difference(result.contiguous(), expected.cast(dtype), 45);
        CHECK_MESSAGE(wrong.empty(), wrong);
      }
    }
  }
}

TEST_CASE("3x3 convolutions of many channels are as exact by every implementation") {
  const Tensor x = hashed_tensor(1, {2, 48, 15, 17}, DType::f32);
  const Tensor weight = hashed_tensor(2, {64, 48, 3, 3}, DType::f32);
  const Tensor bias = hashed_tensor(3, {64}, DType::f32);
  for (const std::int64_t pad : {0, 1}) {
    const ops::ConvOptions options{.pads_begin = {pad, pad}, .pads_end = {pad, 1}};
    const Tensor plain =
        ops::conv(x.cast(DType::f64), weight.cast(DType::f64), bias.cast(DType::f64), options);
    for (const bool relu : {false, true}) {
      ops::ConvSpec spec{.weight = weight, .bias = bias, .options = options};
      if (relu) spec.steps = {ActivationFunction::Kind::relu};
      const ops::PackedConv conv(spec);
      spec.runs_once = true;
      const ops::PackedConv once(spec);
      const Tensor expected = (relu ? ops::relu(plain) : plain).cast(DType::f32);
      for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
        const Tensor src = ops::in_layout(x, DType::f32, layout);
        for (const auto& implementation : ops::conv_implementations()) {
          if (implementation.name == std::string_view("reference")) continue;  // gave `plain`
          const Tensor dst = ops::empty_in(layout, expected.shape(), DType::f32);
          CAPTURE(std::string(implementation.name));
          const bool is_winograd = implementation.name == std::string_view("winograd");
          if (is_winograd) CHECK_FALSE(implementation.run({once.impl(), src, dst, {}}));
          const bool ran = implementation.run({conv.impl(), src, dst, {}});
          if (is_winograd) CHECK(ran == has_winograd());
          if (!ran) continue;
          const std::string wrong = difference(dst.contiguous(), expected, 48 * 9);
          CHECK_MESSAGE(wrong.empty(), wrong);
        }
      }
    }
  }
}

TEST_CASE("a packed convolution adds what lies where its result goes") {
  using Kind = ActivationFunction::Kind;
  Runs runs;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    for (const Shape& kernel : {Shape{13, 16, 1, 1}, Shape{13, 16, 3, 3}}) {
      CAPTURE(to_string(dtype));
      CAPTURE(to_string(kernel));
      const std::int64_t pad = kernel[2] / 2;
      const Tensor x = hashed_tensor(1, {2, 16, 7, 9}, dtype);
      const Tensor residual = hashed_tensor(4, {2, 13, 7, 9}, dtype);
      const Tensor other = hashed_tensor(5, {13, 1, 1}, dtype);
      ops::ConvSpec spec{.weight = hashed_tensor(2, kernel, dtype),
                         .options = {.pads_begin = {pad, pad}, .pads_end = {pad, pad}}};
      for (const bool first : {true, false}) {
        spec.steps = {Binary::add, Kind::relu, Binary::mul};
        if (!first) std::swap(spec.steps[0], spec.steps[1]);
        const ops::PackedConv conv(spec);
        for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
          const std::vector<Tensor> apart{residual, other};
          const Tensor expected = conv(x, layout, apart);
          for (const auto& implementation : ops::conv_implementations()) {
            const Tensor place = ops::empty_in(layout, residual.shape(), dtype);
            ops::copy_into(residual, place);
            const ops::ConvArgs args{conv.impl(), x, place, {place, other.reshape({1, 13, 1, 1})}};
            const bool ran = implementation.run(args);
            runs[implementation.name] += ran ? 1 : 0;
            if (!ran) continue;
            CAPTURE(std::string(implementation.name));
            const std::string wrong =
                difference(place.contiguous(), expected.contiguous(), kernel.numel() / 13);
            CHECK_MESSAGE(wrong.empty(), wrong);
          }
        }
      }
    }
  }
  check_runs("a convolution that adds", runs, {"depthwise", "taps", "winograd"});
}

TEST_CASE("one channel's rows may become one place each, whatever the stride") {
  for (const auto& [width, filter, stride] :
       {std::array<std::int64_t, 3>{4, 3, 2}, {5, 3, 3}, {5, 5, 2}}) {
    CAPTURE(width);
    const Tensor x = hashed_tensor(1, {2, 1, 3, 4, width}, DType::f32);
    const Tensor weight = hashed_tensor(2, {4, 1, 2, 1, filter}, DType::f32);
    const ops::ConvOptions options{.strides = {2, 1, stride}};
    const Tensor plain = ops::conv(x.cast(DType::f64), weight.cast(DType::f64), {}, options);
    const std::string wrong =
        difference(ops::conv(x, weight, {}, options), plain.cast(DType::f32), 2 * filter);
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
}

TEST_CASE("a filter of one place may leave places out") {
  using Kind = ActivationFunction::Kind;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Tensor x = hashed_tensor(1, {2, 16, 9, 7}, dtype);
    const Tensor weight = hashed_tensor(2, {13, 8, 1, 1}, dtype);
    const ops::ConvOptions options{.strides = {2, 3}, .groups = 2};
    const Tensor residual = hashed_tensor(3, {2, 13 * 2, 5, 3}, dtype);
    const Tensor both = ops::concat(std::vector{weight, weight}, 0);
    const Tensor expected = steps_in_f64(
        ops::conv(x.cast(DType::f64), both.cast(DType::f64), {}, options),
        std::vector<Step>{with(backend::Binary::add, residual), apply(backend::Eltwise::relu)});
    ops::ConvSpec spec{.weight = both, .options = options};
    spec.steps = {Binary::add, Kind::relu};
    const ops::PackedConv conv(spec);
    for (const ops::Layout layout : {ops::Layout::contiguous, ops::Layout::channels_last}) {
      const Tensor result = conv(ops::in_layout(x, dtype, layout), layout, std::vector{residual});
      const std::string wrong = difference(result.contiguous(), expected.cast(dtype), 8);
      CHECK_MESSAGE(wrong.empty(), wrong);
    }
  }
}

TEST_CASE("a packed convolution takes sources of many shapes, and from many threads") {
  const Tensor weight = hashed_tensor(2, {3, 2, 3});
  const ops::PackedConv conv({.weight = weight});
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t size = 3; size < 20; ++size) {
      const Tensor x = hashed_tensor(1, {1, 2, size});
      const Tensor expected = ops::conv(x, weight);
      CHECK(difference(conv(x, ops::Layout::contiguous), expected, 6).empty());
    }
  }
  const Tensor x = hashed_tensor(1, {1, 2, 129});
  const Tensor expected = ops::conv(x, weight);
  parallel_for(16, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      CHECK(difference(conv(x, ops::Layout::contiguous), expected, 6).empty());
  });
}

TEST_CASE("convolutions refuse shapes, options and dtypes that do not fit") {
  const Tensor x = Tensor::zeros({1, 4, 5, 5});
  const Tensor weight = Tensor::zeros({6, 4, 3, 3});
  const auto code = [&](const Tensor& source, const Tensor& filters,
                        const ops::ConvOptions& options = {}) {
    return code_of([&] { ops::conv(source, filters, {}, options); });
  };
  const auto invalid = ErrorCode::invalid_argument;
  CHECK(code(Tensor::zeros({1, 3, 5, 5}), weight) == invalid);
  CHECK(code(Tensor::zeros({1, 4, 5}), weight) == invalid);
  CHECK(code(Tensor::zeros({1, 4, 2, 5}), weight) == invalid);
  CHECK(code(Tensor::zeros({4, 5}), Tensor::zeros({6, 4})) == invalid);
  CHECK(code(x, weight, {.strides = {0, 1}}) == invalid);
  CHECK(code(x, weight, {.strides = {1}}) == invalid);
  CHECK(code(x, weight, {.pads_begin = {-1, 0}}) == invalid);
  CHECK(code(x, weight, {.dilations = {3, 1}}) == invalid);
  CHECK(code(x, weight, {.groups = 4}) == invalid);
  CHECK(code(x, weight, {.groups = 0}) == invalid);
  CHECK(code(x, weight.cast(DType::f64)) == invalid);
  CHECK(code(x.cast(DType::i32), weight.cast(DType::i32)) == ErrorCode::unsupported);
  CHECK(code_of([&] { ops::conv(x, weight, Tensor::zeros({5})); }) == invalid);
  CHECK(code_of([&] { ops::conv(x, Tensor::zeros({0, 4, 3, 3})); }) == invalid);
  CHECK(code_of([&] {
          ops::conv_transpose(x, Tensor::zeros({4, 2, 1, 1}), {},
                              {.conv = {.pads_begin = {3, 0}, .pads_end = {2, 0}}});
        }) == invalid);
}
