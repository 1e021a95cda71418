#include "ops/byte_conv.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "quern/ops.h"
#include "quern/runtime.h"
#include "support/error_code.h"
#include "support/op_check.h"
#include "support/runtime_guard.h"

namespace quern::ops {
namespace {

Tensor bytes(const Shape& shape, DType dtype, unsigned seed) {
  std::minstd_rand random(seed);
  Tensor values = Tensor::empty(shape, DType::i32);
  for (std::int32_t& value : values.mutable_data<std::int32_t>())
    value = static_cast<std::int32_t>(random() % 256) - (dtype == DType::i8 ? 128 : 0);
  return values.cast(dtype);
}

struct Case {
  const char* name;
  Shape x, weight;
  ConvOptions options{};
  DType x_dtype = DType::u8;
  DType weight_dtype = DType::i8;
  bool weight_zeros = false;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"plain", {2, 3, 7, 5}, {13, 3, 3, 3}},
      {"of one element", {1, 129, 4, 4}, {127, 129, 1, 1}},
      {"signed source", {1, 16, 9, 9}, {32, 16, 3, 3}, {}, DType::i8},
      {"strides and pads on one side",
       {1, 7, 9, 8},
       {5, 7, 3, 2},
       {.strides = {2, 3}, .pads_begin = {0, 1}, .pads_end = {2, 0}}},
      {"dilated",
       {1, 4, 11, 13},
       {6, 4, 3, 3},
       {.dilations = {2, 3}, .pads_begin = {1, 1}, .pads_end = {1, 1}}},
      {"grouped", {2, 12, 6, 6}, {8, 3, 3, 3}, {.groups = 4}},
      {"by channel",
       {1, 33, 8, 8},
       {33, 1, 3, 3},
       {.pads_begin = {1, 1}, .pads_end = {1, 1}, .groups = 33}},
      {"by channel, signed", {1, 16, 8, 8}, {32, 1, 3, 3}, {.groups = 16}, DType::i8},
      {"by channel, every other place",
       {2, 58, 9, 12},
       {58, 1, 3, 3},
       {.strides = {2, 2}, .pads_begin = {0, 1}, .pads_end = {1, 0}, .groups = 58}},
      {"by channel, wide",
       {2, 20, 7, 11},
       {20, 1, 5, 5},
       {.pads_begin = {2, 2}, .pads_end = {2, 2}, .groups = 20},
       DType::i8},
      {"by channel, wide, every other place",
       {1, 16, 10, 9},
       {16, 1, 5, 5},
       {.strides = {2, 2}, .pads_begin = {1, 2}, .pads_end = {2, 1}, .groups = 16}},
      {"by channel, uneven strides",
       {1, 16, 8, 8},
       {16, 1, 3, 3},
       {.strides = {1, 2}, .groups = 16}},
      {"along one axis", {1, 5, 17}, {3, 5, 4}, {.strides = {2}}},
      {"along three axes",
       {1, 3, 5, 4, 6},
       {4, 3, 2, 3, 2},
       {.pads_begin = {1, 0, 1}, .pads_end = {0, 1, 0}}},
      {"unsigned weight", {1, 3, 6, 6}, {5, 3, 3, 3}, {}, DType::u8, DType::u8},
      {"zeros of the weight",
       {1, 6, 6, 6},
       {4, 3, 3, 3},
       {.groups = 2},
       DType::i8,
       DType::u8,
       true},
  };
  return all;
}

constexpr std::int32_t kZero = 117;  // of sources

struct Prepared {
  Tensor x, weight;
  std::int32_t x_zero;
  std::optional<Tensor> weight_zero;
  ByteConv conv;
  Tensor acc;  // f64: what the convolution gives
};

Prepared prepare(const Case& given) {
  const Tensor x = bytes(given.x, given.x_dtype, 1);
  const Tensor weight = bytes(given.weight, given.weight_dtype, 2);
  const std::int64_t out = weight.dim(0);
  std::optional<Tensor> zeros;
  if (given.weight_zeros) zeros = bytes({out}, given.weight_dtype, 3);
  Tensor wide = weight.cast(DType::f64);
  if (zeros) {
    Shape shape = Shape::filled(weight.rank(), 1);
    shape[0] = out;
    wide = sub(wide, zeros->cast(DType::f64).reshape(shape));
  }
  const Tensor shifted = sub(x.cast(DType::f64), Tensor::scalar(static_cast<double>(kZero)));
  return {x,
          weight,
          kZero,
          zeros,
          ByteConv(weight, zeros, given.options),
          conv(shifted, wide, {}, given.options)};
}

/// How far the elements of `got` are from those of `want` at most.
double farthest(const Tensor& got, const Tensor& want) {
  REQUIRE(got.shape() == want.shape());
  const Tensor a = got.cast(DType::f64).contiguous();
  const Tensor b = want.cast(DType::f64).contiguous();
  double most = 0;
  for (std::size_t i = 0; i < b.data<double>().size(); ++i)
    most = std::max(most, std::abs(a.data<double>()[i] - b.data<double>()[i]));
  return most;
}

/// What `acc` is when stored.
Tensor stored(const Tensor& acc, const ByteStore& store) {
  const double zero = store.zero.cast(DType::f64).item<double>();
  const double low = store.zero.dtype() == DType::i8 ? -128 : 0;
  Tensor y = acc.contiguous().clone();
  const auto values = y.mutable_data<double>();
  const auto plane = static_cast<std::size_t>(acc.numel() / (acc.dim(0) * acc.dim(1)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t channel = i / plane % store.multiplier.size();
    const double bias =
        store.bias ? static_cast<double>(store.bias->data<std::int32_t>()[channel]) : 0.0;
    const double scaled = (values[i] + bias) * static_cast<double>(store.multiplier[channel]);
    values[i] = std::clamp(std::nearbyint(scaled) + zero, low, low + 255);
  }
  return y;
}

ByteStore store_for(const Tensor& acc, DType dtype, bool bias) {
  const std::int64_t out = acc.dim(1);
  ByteStore store;
  for (std::int64_t i = 0; i < out; ++i)
    store.multiplier.push_back(0.00031f + 0.00001f * static_cast<float>(i % 17));
  if (bias)
    store.bias = sub(bytes({out}, DType::u8, 4).cast(DType::i32), Tensor::scalar(std::int32_t{99}));
  store.zero =
      dtype == DType::i8 ? Tensor::scalar(std::int8_t{-7}) : Tensor::scalar(std::uint8_t{131});
  return store;
}

template <class Check>
void for_each_way(const Prepared& given, const ByteConv& conv, DType dtype, Runs& runs,
                  const Check& check) {
  for (const auto& implementation : byte_conv_implementations()) {
    for (const Layout layout : {Layout::contiguous, Layout::channels_last}) {
      CAPTURE(implementation.name);
      const Tensor dst = empty_in(layout, given.acc.shape(), dtype);
      const Tensor x = in_layout(given.x, given.x.dtype(), layout);
      const bool ran = implementation.run({conv.impl(), x, given.x_zero, dst});
      runs[implementation.name] += ran ? 1 : 0;
      if (ran) check(dst);
    }
  }
}

/// Implementations that refuse all: on machines without products of bytes, and what only stores
/// them.
std::vector<std::string> not_by(bool stores) {
  if (!convolves_bytes()) return {"by channel", "onednn"};
  return stores ? std::vector<std::string>{} : std::vector<std::string>{"by channel"};
}

TEST_CASE("a convolution of bytes is exact in every implementation and layout") {
  Runs all;
  for (const Case& each : cases()) {
    CAPTURE(each.name);
    const Prepared given = prepare(each);
    Runs runs;
    for_each_way(given, given.conv, DType::i32, runs,
                 [&](const Tensor& got) { CHECK(farthest(got, given.acc) == 0); });
    CHECK(runs["reference"] == 2);  // in each layout
    for (const auto& [name, count] : runs) all[name] += count;
  }
  check_runs("a convolution of bytes", all, not_by(false));
}

TEST_CASE("a convolution of bytes is stored as rounding its sums says") {
  Runs runs;
  for (const Case& each : cases()) {
    CAPTURE(each.name);
    const Prepared given = prepare(each);
    for (const DType dtype : {DType::u8, DType::i8}) {
      for (const bool bias : {false, true}) {
        const ByteStore store = store_for(given.acc, dtype, bias);
        const Tensor want = stored(given.acc, store);
        for (const std::int32_t usual_zero : {kZero, std::int32_t{0}}) {
          for_each_way(given, given.conv.stored_as(store, usual_zero), dtype, runs,
                       [&](const Tensor& got) { CHECK(farthest(got, want) <= 1); });
        }
      }
    }
  }
  check_runs("a convolution of bytes that is stored", runs, not_by(true));
}

TEST_CASE("qlinear_conv multiplies scales and takes no bias that does not fit") {
  const Case& each = cases()[0];
  const Prepared given = prepare(each);
  const Tensor zero = Tensor::scalar(std::uint8_t{117});
  const Quantized x{given.x, Tensor::scalar(0.5f), zero};
  const Quantized weight{given.weight, Tensor::full({13}, 0.25), {}};
  const Quantization y{Tensor::scalar(400.f), Tensor::scalar(std::int8_t{3})};
  ByteStore store{std::vector<float>(13, 0.125f / 400.f), {}, y.zero_point};
  CHECK(farthest(qlinear_conv(x, weight, {}, y), stored(given.acc, store)) <= 1);
  const auto code = [&](const Quantized& source, const Tensor& bias) {
    return code_of([&] { qlinear_conv(source, weight, bias, y); });
  };
  CHECK(code(x, Tensor::zeros({12}, DType::i32)) == ErrorCode::invalid_argument);
  CHECK(code(x, Tensor::zeros({13}, DType::i64)) == ErrorCode::invalid_argument);
  const Quantized two{given.x, Tensor::full({2}, 1), zero};
  CHECK(code(two, Tensor::zeros({13}, DType::i32)) == ErrorCode::invalid_argument);
}

TEST_CASE("a convolution of bytes refuses floats and sources that do not fit") {
  const ByteConv conv(bytes({4, 3, 3, 3}, DType::i8, 1), {}, {});
  const auto code = [&](const Tensor& x) {
    return code_of([&] { conv(x, 0, Layout::contiguous); });
  };
  CHECK(code(Tensor::zeros({1, 3, 5, 5})) == ErrorCode::invalid_argument);
  CHECK(code(Tensor::zeros({1, 2, 5, 5}, DType::u8)) == ErrorCode::invalid_argument);
  CHECK(code(Tensor::zeros({1, 3, 2, 5}, DType::u8)) == ErrorCode::invalid_argument);
  CHECK(conv(Tensor::zeros({0, 3, 5, 5}, DType::u8), 0, Layout::contiguous).shape() ==
        Shape{0, 4, 3, 3});
}

TEST_CASE("zero points that no byte has are refused") {
  const Tensor a = bytes({4, 4}, DType::u8, 1);
  const Tensor b = bytes({4, 4}, DType::i8, 2);
  for (const std::int32_t zero : {-129, 256, std::numeric_limits<std::int32_t>::min()}) {
    const Tensor far = Tensor::scalar(zero);
    CHECK(code_of([&] { matmul_integer(a, b, {}, far); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { matmul_integer(a, b, far, {}); }) == ErrorCode::invalid_argument);
  }
}

TEST_CASE("the places that windows see count against the memory limit") {
  const RuntimeGuard guard;
  constexpr std::int64_t kPlaces = 1 << 20;
  const Tensor zero = Tensor::scalar(std::int8_t{1});
  const ByteConv conv(bytes({1, 1, 1, 2}, DType::i8, 1), zero, {.pads_end = {0, kPlaces}});
  const Tensor x = bytes({1, 1, 1, 2}, DType::u8, 2);
  const auto run = [&] { conv(x, 0, Layout::contiguous); };
  reconfigure({.memory_limit = runtime_info().memory_in_use + 2 * kPlaces * 8});
  CHECK(code_of(run) == ErrorCode::out_of_memory);
  reconfigure({.memory_limit = runtime_info().memory_in_use + 4 * kPlaces * 8});
  run();
}

}  // namespace
}  // namespace quern::ops
