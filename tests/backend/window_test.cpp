#include <cmath>

#include "backend/prepared.h"
#include "ops/layout.h"
#include "quern/ops.h"
#include "support/op_check.h"

using namespace quern;

namespace {

using backend::Slot;

backend::Window window2d(std::int64_t pads) { return {{1, 1}, {1, 1}, {pads, pads}, {pads, pads}}; }

/// Bytes, or what an f32 of a whole number is as a byte.
Tensor small_integers(std::uint32_t seed, const Shape& shape, DType dtype, float limit) {
  Tensor values = hashed_tensor(seed, shape);
  for (float& value : values.mutable_data<float>()) {
    value = std::round(value * limit);
    if (dtype == DType::u8) value = std::abs(value);
  }
  return ops::in_layout(values.cast(dtype), dtype, ops::Layout::channels_last);
}

}  // namespace

TEST_CASE("convolutions of bytes subtract a zero point, scale channels and round") {
  if (!backend::has_exact_bytes()) return;
  const Tensor weight = small_integers(2, {13, 16, 3, 3}, DType::i8, 100).contiguous();
  const Tensor scale = hashed_tensor(3, {1, 13, 1, 1});
  const Tensor zero_point = Tensor::from({5}, {1}).cast(DType::i32);
  for (const DType dtype : {DType::u8, DType::i8}) {
    for (const bool shifted : {false, true}) {
      CAPTURE(to_string(dtype));
      CAPTURE(shifted);
      const Tensor src = small_integers(1, {1, 16, 7, 9}, dtype, 100);
      const Tensor dst = ops::empty_in(ops::Layout::channels_last, {1, 13, 7, 9}, DType::f32);
      const backend::ConvDesc desc{
          .src = backend::channels_last_desc(dtype, src.shape()),
          .weights = backend::describe(weight),
          .dst = backend::channels_last_desc(DType::f32, dst.shape()),
          .bias = {},
          .window = window2d(1),
          .src_zero_point = shifted,
          .post_ops = {backend::PostOp::with(backend::Binary::mul, backend::describe(scale)),
                       backend::PostOp::apply(backend::Eltwise::relu)}};
      const auto operation = backend::try_prepare(desc);
      REQUIRE(operation != nullptr);
      const auto packed = operation->pack(weight.raw());
      std::vector<backend::Argument> arguments{{Slot::src, src.raw()},
                                               {Slot::weights, packed.get()},
                                               {Slot::dst, dst.raw()},
                                               {Slot::post_op0, scale.raw()}};
      if (shifted) arguments.push_back({Slot::src_zero_point, zero_point.raw()});
      operation->run(arguments);

      const Tensor zero = Tensor::full({}, shifted ? 5 : 0, DType::f64);
      const Tensor sums = ops::conv(ops::sub(src.cast(DType::f64), zero), weight.cast(DType::f64),
                                    {}, {.pads_begin = {1, 1}, .pads_end = {1, 1}});
      const Tensor expected = ops::relu(ops::mul(sums, scale.cast(DType::f64)));
      const std::string wrong = difference(dst.contiguous(), expected.cast(DType::f32), 144);
      CHECK_MESSAGE(wrong.empty(), wrong);
    }
  }
}

TEST_CASE("operations that want one layout share packed weights") {
  const Tensor weight = hashed_tensor(1, {32, 16, 3, 3});
  const auto prepare = [&](std::int64_t size) {
    const auto operation = backend::try_prepare(
        backend::ConvDesc{.src = backend::channels_last_desc(DType::f32, {1, 16, size, size}),
                          .weights = backend::describe(weight),
                          .dst = backend::channels_last_desc(DType::f32, {1, 32, size, size}),
                          .bias = {},
                          .window = window2d(1),
                          .post_ops = {}});
    REQUIRE(operation != nullptr);
    return operation;
  };
  const auto first = prepare(14);
  CHECK(first->packs_as(*first));
  const Tensor other = hashed_tensor(1, {16, 16});
  const auto product = backend::try_prepare(backend::MatMulDesc{
      backend::describe(other), backend::describe(other), backend::describe(other), {}, {}, true});
  REQUIRE(product != nullptr);
  CHECK(product->packs_as(*product));
  CHECK(!product->packs_as(*first));
}

TEST_CASE("packed weights come back as they were") {
  const auto check = [](const auto& desc, const Tensor& weight) {
    CAPTURE(to_string(weight.shape()));
    CAPTURE(to_string(weight.dtype()));
    const auto operation = backend::try_prepare(desc);
    REQUIRE(operation != nullptr);
    REQUIRE(operation->can_unpack());
    Tensor back = Tensor::empty(weight.shape(), weight.dtype());
    operation->unpack(operation->pack(weight.raw()).get(), back.mutable_raw());
    CHECK(difference(back, weight, 0).empty());
  };
  for (const DType dtype : prepared_floats()) {
    for (const std::int64_t groups : {1, 13}) {
      const Tensor weight = hashed_tensor(1, {26, 39 / groups, 3, 3}, dtype);
      check(backend::ConvDesc{.src = backend::channels_last_desc(dtype, {1, 39, 9, 9}),
                              .weights = backend::describe(weight),
                              .dst = backend::channels_last_desc(dtype, {1, 26, 9, 9}),
                              .bias = {},
                              .window = window2d(1),
                              .groups = groups,
                              .post_ops = {}},
            weight);
    }
    const Tensor matrix = hashed_tensor(2, {129, 127}, dtype);
    check(backend::MatMulDesc{backend::dense_desc(dtype, {64, 129}),
                              backend::describe(matrix),
                              backend::dense_desc(dtype, {64, 127}),
                              {},
                              {},
                              true},
          matrix);
  }
}

TEST_CASE("matmul takes weights that it has packed") {
  for (const DType dtype : prepared_floats()) {
    for (const Shape& shape : {Shape{1, 7, 13}, Shape{5, 129, 127}, Shape{64, 128, 256}}) {
      CAPTURE(to_string(dtype));
      CAPTURE(to_string(shape));
      const Tensor a = hashed_tensor(1, {shape[0], shape[1]}, dtype);
      const Tensor b = hashed_tensor(2, {shape[1], shape[2]}, dtype);
      const Tensor dst = Tensor::empty({shape[0], shape[2]}, dtype);
      const auto operation = backend::try_prepare(backend::MatMulDesc{
          backend::describe(a), backend::describe(b), backend::describe(dst), {}, {}, true});
      REQUIRE(operation != nullptr);
      const auto packed = operation->pack(b.raw());
      operation->run({{Slot::src, a.raw()}, {Slot::weights, packed.get()}, {Slot::dst, dst.raw()}});
      const Tensor expected = ops::matmul(a.cast(DType::f64), b.cast(DType::f64)).cast(dtype);
      const std::string wrong = difference(dst, expected, shape[1]);
      CHECK_MESSAGE(wrong.empty(), wrong);
    }
  }
}
