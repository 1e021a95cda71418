#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quern/ops/quantization.h"

namespace quern::ops {

/// The right operand [k, n] of integer products, prepared once: signed, as oneDNN wants it, with
/// the sums of its columns, which zero points ask for.
///
/// Immutable, so safe to share between threads.
class ByteMatrix {
 public:
  ByteMatrix() = default;
  /// `values` i8 or u8; `zero_point` of one element or [n]. Throws: `invalid_argument`.
  ByteMatrix(const Tensor& values, const std::optional<Tensor>& zero_point);

  std::int64_t rows() const noexcept { return values_.dim(0); }
  std::int64_t columns() const noexcept { return values_.dim(1); }

  /// (a - a_zero) · (this - zero_point): a [..., k] i8 or u8 -> [..., n] i32.
  Tensor multiply(const Tensor& a, std::int32_t a_zero) const;

 private:
  Tensor values_;                   // i8
  std::vector<std::int32_t> zero_;  // of one element or n; empty: 0
  std::vector<std::int32_t> sums_;  // of a column of (values - zero)
};

/// As `qlinear_matmul` of Tensors; `b_scale` of one element or [n]; a's scale and zero point have
/// one.
Tensor qlinear_matmul(const Quantized& a, const ByteMatrix& b, const Tensor& b_scale,
                      const Quantization& y);

/// `values` i8, or u8 less 128 as i8.
Tensor as_signed(const Tensor& values);

/// Zero points of `values`, one or `count`, as those of as_signed(values); empty where all are 0.
std::vector<std::int32_t> signed_zeros(const char* operation, const Tensor& values,
                                       const std::optional<Tensor>& zero_point, std::int64_t count);

/// The only element of a zero point, i8 or u8; 0 where there is none.
std::int32_t single_zero(const char* operation, const std::optional<Tensor>& zero_point);

}  // namespace quern::ops
