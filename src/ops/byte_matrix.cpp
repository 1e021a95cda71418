#include "ops/byte_matrix.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "ops/wrapping.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

void check_bytes(const char* operation, const Tensor& values) {
  require(values.dtype() == DType::i8 || values.dtype() == DType::u8,
          "{}: expected i8 or u8, got {}", operation, values.dtype());
}

std::int32_t checked_zero(const char* operation, std::int32_t zero) {
  require(zero >= -128 && zero <= 255, "{}: expected a zero point of a byte, got {}", operation,
          zero);
  return zero;
}

std::vector<std::int32_t> row_sums(const Tensor& a, std::int64_t rows, std::int64_t size) {
  std::vector<std::int32_t> sums(static_cast<std::size_t>(rows));
  const auto add_up = [&](const auto* values) {
    parallel_for(rows, 1 + 65536 / size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        sums[static_cast<std::size_t>(row)] =
            std::accumulate(values + row * size, values + (row + 1) * size, std::int32_t{0});
    });
  };
  if (a.dtype() == DType::i8) {
    add_up(a.data<std::int8_t>().data());
  } else {
    add_up(a.data<std::uint8_t>().data());
  }
  return sums;
}

/// A scale or zero point of a's rows as it broadcasts to a: [m] stands along the rows.
Tensor along_rows(const Tensor& parameter, const Tensor& a) {
  if (parameter.rank() == 1 && parameter.numel() > 1 && a.rank() > 1)
    return parameter.reshape({parameter.numel(), 1});
  return parameter;
}

Tensor minus_zero(const Tensor& values, const std::optional<Tensor>& zero_point) {
  const Tensor wide = values.cast(DType::i32);
  return zero_point ? sub(wide, zero_point->cast(DType::i32)) : wide;
}

bool is_single(const std::optional<Tensor>& tensor) { return !tensor || tensor->numel() == 1; }

bool fits_columns(const std::optional<Tensor>& parameter, std::int64_t columns) {
  return is_single(parameter) || parameter->shape() == Shape{columns};
}

}  // namespace

Tensor as_signed(const Tensor& values) {
  check_bytes("as_signed", values);
  const Tensor src = values.contiguous();
  if (src.dtype() == DType::i8) return src;
  Tensor dst = Tensor::empty(src.shape(), DType::i8);
  std::ranges::transform(
      src.data<std::uint8_t>(), dst.mutable_data<std::int8_t>().begin(),
      [](std::uint8_t value) { return static_cast<std::int8_t>(value ^ 0x80u); });
  return dst;
}

std::int32_t single_zero(const char* operation, const std::optional<Tensor>& zero_point) {
  if (!zero_point) return 0;
  require(zero_point->numel() == 1, "{}: expected a zero point of one element, got shape {}",
          operation, zero_point->shape());
  return checked_zero(operation, zero_point->cast(DType::i32).reshape({}).item<std::int32_t>());
}

std::vector<std::int32_t> signed_zeros(const char* operation, const Tensor& values,
                                       const std::optional<Tensor>& zero_point,
                                       std::int64_t count) {
  require(fits_columns(zero_point, count), "{}: zero point {} does not fit {}", operation,
          zero_point ? zero_point->shape() : Shape{}, values.shape());
  const std::int32_t shift = values.dtype() == DType::u8 ? 128 : 0;
  if (!zero_point && shift == 0) return {};
  const Tensor given =
      zero_point ? zero_point->cast(DType::i32).contiguous() : Tensor::zeros({1}, DType::i32);
  std::vector<std::int32_t> zeros;
  for (const std::int32_t zero : given.data<std::int32_t>())
    zeros.push_back(checked_zero(operation, zero) - shift);
  if (std::ranges::all_of(zeros, [](std::int32_t zero) { return zero == 0; })) zeros.clear();
  return zeros;
}

ByteMatrix::ByteMatrix(const Tensor& values, const std::optional<Tensor>& zero_point) {
  require(values.rank() == 2, "matmul_integer: expected a matrix, got {}", values.shape());
  check_bytes("matmul_integer", values);
  rows_ = values.dim(0);
  columns_ = values.dim(1);
  zero_ = signed_zeros("matmul_integer", values, zero_point, columns());
  if (zero_.empty() && values.numel() > 0 && convolves_bytes()) {
    conv_ = ByteConv(values.transpose(0, 1).unsqueeze(2), zero_point, {});
    return;
  }
  values_ = as_signed(values);
  const auto width = static_cast<std::size_t>(columns());
  sums_.assign(width, 0);
  const std::int8_t* row = values_.data<std::int8_t>().data();
  for (std::int64_t k = 0; k < rows(); ++k, row += width) {
    for (std::size_t i = 0; i < width; ++i) sums_[i] = plus<std::int32_t>(sums_[i], row[i]);
  }
  const auto depth = static_cast<std::int32_t>(rows());
  for (std::size_t i = 0; i < width && !zero_.empty(); ++i)
    sums_[i] = plus(sums_[i], times(-depth, zero_[zero_.size() == 1 ? 0 : i]));
}

ByteMatrix ByteMatrix::stored_as(ByteStore store, std::int32_t a_zero) const {
  ByteMatrix stored = *this;
  if (conv_) stored.conv_ = conv_->stored_as(store, a_zero);
  stored.store_ = std::move(store);
  return stored;
}

Tensor ByteMatrix::multiply(const Tensor& a, std::int32_t a_zero) const {
  check_bytes("matmul_integer", a);
  require(a.rank() >= 1 && a.dim(-1) == rows(),
          "matmul_integer: {} and [{}, {}] do not fit together", a.shape(), rows(), columns());
  Shape shape = a.shape();
  shape[shape.rank() - 1] = columns();
  const std::int64_t count = rows() == 0 ? 0 : a.numel() / rows();
  if (conv_ && count > 0) {
    const Tensor places = a.contiguous().reshape({count, rows()}).transpose(0, 1).unsqueeze(0);
    const Tensor product = (*conv_)(places, a_zero, Layout::channels_last);
    return product.squeeze(0).transpose(0, 1).reshape(shape);
  }
  Tensor product = count > 0 ? multiply_rows(a.contiguous().reshape({count, rows()}), a_zero)
                             : Tensor::zeros({shape.numel()}, DType::i32);
  product = product.reshape(shape);
  return store_ ? store_->bytes_of(product, -1) : product;
}

Tensor ByteMatrix::multiply_rows(const Tensor& src, std::int32_t a_zero) const {
  const std::int64_t count = src.dim(0);
  Tensor product = matmul(src, values_);
  if (a_zero == 0 && zero_.empty()) return product;
  const std::vector<std::int32_t> a_sums =
      zero_.empty() ? std::vector<std::int32_t>() : row_sums(src, count, rows());
  std::int32_t* result = product.mutable_data<std::int32_t>().data();
  const std::int64_t width = columns();
  parallel_for(count, 1 + 16384 / (width + 1), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::int32_t* line = result + row * width;
      for (std::int64_t i = 0; i < width; ++i)
        line[i] -= a_zero * sums_[static_cast<std::size_t>(i)];
      if (zero_.empty()) continue;
      const std::int32_t a_sum = a_sums[static_cast<std::size_t>(row)];
      const std::int64_t step = zero_.size() == 1 ? 0 : 1;
      for (std::int64_t i = 0; i < width; ++i)
        line[i] -= a_sum * zero_[static_cast<std::size_t>(i * step)];
    }
  });
  return product;
}

Tensor matmul_integer(const Tensor& a, const Tensor& b, const std::optional<Tensor>& a_zero,
                      const std::optional<Tensor>& b_zero) {
  check_bytes("matmul_integer", a);
  check_bytes("matmul_integer", b);
  if (a.rank() > 0 && b.rank() == 2 && is_single(a_zero) && fits_columns(b_zero, b.dim(1)))
    return ByteMatrix(b, b_zero).multiply(a, single_zero("matmul_integer", a_zero));
  const auto a_zeros = a_zero ? std::optional(along_rows(*a_zero, a)) : std::nullopt;
  return matmul(minus_zero(a, a_zeros), minus_zero(b, b_zero));
}

namespace {

Tensor store_product(const Tensor& acc, const Tensor& scale, const Quantization& y) {
  require(y.scale.numel() == 1, "qlinear_matmul: scale of the result has shape {}",
          y.scale.shape());
  const Tensor multiplier = div(scale, y.scale.cast(DType::f32).reshape({}));
  if (multiplier.numel() == 1 || multiplier.shape() == Shape{acc.dim(-1)})
    return requantize(acc, multiplier, -1, y.zero_point);
  return quantize(mul(acc.cast(DType::f32), multiplier), Tensor::scalar(1.f),
                  y.zero_point.reshape({}), {.dtype = y.zero_point.dtype()});
}

}  // namespace

Tensor qlinear_matmul(const Quantized& a, const Quantized& b, const Quantization& y) {
  const Tensor acc = matmul_integer(a.values, b.values, a.zero_point, b.zero_point);
  const Tensor a_scale = along_rows(a.scale, a.values).cast(DType::f32);
  return store_product(acc, mul(a_scale, b.scale.cast(DType::f32)), y);
}

}  // namespace quern::ops
