#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ops/byte_conv.h"
#include "quern/ops/quantization.h"

namespace quern::ops {

/// The right operand [k, n] of integer products, prepared once: signed, as oneDNN wants it, and
/// packed or with the sums of its columns, which zero points ask for.
///
/// Immutable, so safe to share between threads.
class ByteMatrix {
 public:
  /// `values` i8 or u8; `zero_point` of one element or [n]. Throws: `invalid_argument`.
  ByteMatrix(const Tensor& values, const std::optional<Tensor>& zero_point);

  /// The same with its products stored as bytes, fastest for an a whose zero point is `a_zero`.
  ByteMatrix stored_as(ByteStore store, std::int32_t a_zero) const;

  std::int64_t rows() const noexcept { return rows_; }
  std::int64_t columns() const noexcept { return columns_; }

  /// (a - a_zero) · (this - zero_point): a [..., k] i8 or u8 -> [..., n] i32, or as it is stored.
  Tensor multiply(const Tensor& a, std::int32_t a_zero) const;

 private:
  Tensor multiply_rows(const Tensor& src, std::int32_t a_zero) const;

  std::int64_t rows_, columns_;
  std::optional<ByteConv> conv_;    // where its kernels take it: rows of a are places; else:
  Tensor values_;                   // i8
  std::vector<std::int32_t> zero_;  // of one element or n; empty: 0
  std::vector<std::int32_t> sums_;  // of a column of (values - zero)
  std::optional<ByteStore> store_;
};

/// `values` i8, or u8 less 128 as i8.
Tensor as_signed(const Tensor& values);

/// Zero points of `values`, one or `count`, as those of as_signed(values); empty where all are 0.
std::vector<std::int32_t> signed_zeros(const char* operation, const Tensor& values,
                                       const std::optional<Tensor>& zero_point, std::int64_t count);

/// The only element of a zero point, i8 or u8; 0 where there is none.
std::int32_t single_zero(const char* operation, const std::optional<Tensor>& zero_point);

}  // namespace quern::ops
