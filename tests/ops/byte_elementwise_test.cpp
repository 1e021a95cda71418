#include "ops/byte_elementwise.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ops/layout.h"
#include "quern/ops.h"
#include "support/error_code.h"

namespace quern::ops {
namespace {

/// Every byte in some order, again and again.
Tensor bytes(const Shape& shape, DType dtype, int step) {
  Tensor values = Tensor::empty(shape, DType::i32);
  int at = 0;
  for (std::int32_t& value : values.mutable_data<std::int32_t>())
    value = (at += step) % 256 - (dtype == DType::i8 ? 128 : 0);
  return values.cast(dtype);
}

Tensor zero_of(DType dtype, int value) { return Tensor::scalar(value).cast(dtype); }

/// Whether stored elements differ by more than one.
bool are_close(const Tensor& got, const Tensor& want) {
  REQUIRE(got.shape() == want.shape());
  REQUIRE(got.dtype() == want.dtype());
  const Tensor difference = abs(sub(got.cast(DType::i32), want.cast(DType::i32)));
  return max(difference).item<std::int32_t>() <= 1;
}

Tensor store(const Tensor& x, const Quantization& y) {
  return quantize(x, y.scale, y.zero_point, {.dtype = y.zero_point.dtype()});
}

TEST_CASE("sums and products of bytes are those of the floats that they stand for") {
  for (const DType a_dtype : {DType::i8, DType::u8}) {
    for (const DType b_dtype : {DType::i8, DType::u8}) {
      for (const DType dtype : {DType::i8, DType::u8}) {
        for (const Shape& b_shape : {Shape{3, 7, 13}, Shape{7, 1}, Shape{}}) {
          const Quantized a{bytes({3, 7, 13}, a_dtype, 37), Tensor::scalar(0.03f),
                            zero_of(a_dtype, 5)};
          const Quantized b{bytes(b_shape, b_dtype, 11), Tensor::scalar(0.05f),
                            zero_of(b_dtype, 101)};
          const Quantization y{Tensor::scalar(0.09f), zero_of(dtype, 17)};
          const Tensor p = dequantize(a.values, a.scale, a.zero_point);
          const Tensor q = dequantize(b.values, b.scale, b.zero_point);
          CHECK(are_close(add_bytes(a, b, y), store(add(p, q), y)));
          CHECK(are_close(multiply_bytes(a, b, y), store(mul(p, q), y)));
        }
      }
    }
  }
}

TEST_CASE("bytes of several scales are joined in the scale of the result") {
  for (const Layout layout : {Layout::contiguous, Layout::channels_last}) {
    for (const int axis : {0, 1, -1}) {
      Shape sizes{2, 5, 3, 4};
      const Quantized a{in_layout(bytes(sizes, DType::u8, 37), DType::u8, layout),
                        Tensor::scalar(0.03f), zero_of(DType::u8, 5)};
      sizes[axis < 0 ? 3 : axis] = 7;
      const Quantized b{in_layout(bytes(sizes, DType::i8, 11), DType::i8, layout),
                        Tensor::scalar(0.05f), std::nullopt};
      const Quantization y{Tensor::scalar(0.04f), zero_of(DType::u8, 17)};
      const Quantized parts[] = {a, b};
      const Tensor floats[] = {dequantize(a.values, a.scale, a.zero_point).contiguous(),
                               dequantize(b.values, b.scale).contiguous()};
      const Tensor got = concat_bytes(parts, axis, y);
      CHECK(are_close(got, store(concat(floats, axis), y)));
      CHECK(is_channels_last(got) == (layout == Layout::channels_last && axis == 1));
    }
  }
  const Quantized pair[] = {{bytes({2, 3}, DType::u8, 1), Tensor::scalar(1.f), std::nullopt},
                            {bytes({3, 3}, DType::u8, 1), Tensor::scalar(1.f), std::nullopt}};
  const Quantization y{Tensor::scalar(1.f), zero_of(DType::u8, 0)};
  CHECK(code_of([&] { concat_bytes(pair, 1, y); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { concat_bytes(pair, 2, y); }) == ErrorCode::invalid_argument);
}

TEST_CASE("slices of channels that lie last are joined as they lie") {
  const Tensor x = in_layout(bytes({2, 45, 3, 4}, DType::u8, 37), DType::u8, Layout::channels_last);
  const Quantization y{Tensor::scalar(0.04f), zero_of(DType::u8, 17)};
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return Quantized{x.slice(1, begin, end), Tensor::scalar(0.03f), zero_of(DType::u8, 5)};
  };
  const Quantized parts[] = {part(20, 45), part(3, 7), part(0, 45)};
  const Quantized apart[] = {{parts[0].values.contiguous(), parts[0].scale, parts[0].zero_point},
                             {parts[1].values.contiguous(), parts[1].scale, parts[1].zero_point},
                             {parts[2].values.contiguous(), parts[2].scale, parts[2].zero_point}};
  const Tensor got = concat_bytes(parts, 1, y);
  CHECK(is_channels_last(got));
  CHECK(max(abs(sub(got.cast(DType::i32), concat_bytes(apart, 1, y).cast(DType::i32))))
            .item<std::int32_t>() == 0);
}

TEST_CASE("operations on bytes keep channels last, and take any view") {
  const Tensor x = bytes({2, 5, 3, 4}, DType::u8, 37);
  const Tensor last = in_layout(x, DType::u8, Layout::channels_last);
  const Quantization y{Tensor::scalar(0.09f), zero_of(DType::u8, 17)};
  const auto stored = [](const Tensor& values) {
    return Quantized{values, Tensor::scalar(0.03f), zero_of(DType::u8, 5)};
  };
  const Tensor want = add_bytes(stored(x), stored(x), y);
  const Tensor got = add_bytes(stored(last), stored(last), y);
  CHECK(is_channels_last(got));
  CHECK(are_close(got, want));
  CHECK(are_close(add_bytes(stored(last), stored(x), y), want));
  const Tensor turned = x.transpose(0, 3);
  CHECK(are_close(add_bytes(stored(turned), stored(turned), y), want.transpose(0, 3)));
  const auto negate = [](const Tensor& floats) { return neg(floats); };
  const Tensor mapped = map_bytes(stored(last), negate, y);
  CHECK(is_channels_last(mapped));
  CHECK(are_close(mapped, map_bytes(stored(x), negate, y)));
  CHECK(are_close(map_bytes(stored(turned), negate, y), mapped.transpose(0, 3)));
}

TEST_CASE("a function of bytes is the function of the floats that they stand for") {
  for (const DType x_dtype : {DType::i8, DType::u8}) {
    for (const DType dtype : {DType::i8, DType::u8}) {
      const Quantized x{bytes({300}, x_dtype, 37), Tensor::scalar(0.03f), zero_of(x_dtype, 5)};
      const Quantization y{Tensor::scalar(0.01f), zero_of(dtype, 17)};
      const Tensor floats = dequantize(x.values, x.scale, x.zero_point);
      CHECK(are_close(map_bytes(x, sigmoid, y), store(sigmoid(floats), y)));
    }
  }
}

TEST_CASE("operations on bytes refuse other dtypes and scales of an axis") {
  const Quantized x{bytes({4}, DType::u8, 1), Tensor::scalar(0.03f), {}};
  const Quantization y{Tensor::scalar(0.09f), zero_of(DType::u8, 17)};
  const Quantized floats{Tensor::zeros({4}), Tensor::scalar(0.03f), {}};
  const Quantized many{x.values, Tensor::full({4}, 1), {}};
  CHECK(code_of([&] { add_bytes(x, floats, y); }) == ErrorCode::unsupported);
  CHECK(code_of([&] { add_bytes(many, x, y); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { map_bytes(many, sigmoid, y); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { map_bytes(floats, sigmoid, y); }) == ErrorCode::unsupported);
}

}  // namespace
}  // namespace quern::ops
