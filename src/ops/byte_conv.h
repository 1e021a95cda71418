#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ops/implementations.h"
#include "ops/layout.h"
#include "quern/ops/quantization.h"

namespace quern::ops {

/// How an i32 result becomes bytes: (acc + bias) * multiplier + zero.
struct ByteStore {
  std::vector<float> multiplier;  ///< for each of `out` channels of the result
  std::optional<Tensor> bias{};   ///< [out], i32, or f32 where it has fractions
  Tensor zero;                    ///< of one element, i8 or u8: the stored dtype

  /// Of products of a source of one `x_scale` with a weight whose scale has one element or `out`.
  /// `bias` has the scale of the products. Throws: `invalid_argument`, naming the operation.
  static ByteStore of(const char* operation, const Tensor& x_scale, const Tensor& weight_scale,
                      const std::optional<Tensor>& bias, const Quantization& y, std::int64_t out);

  /// The bytes of `acc`, i32, whose `axis` has the channels.
  Tensor bytes_of(const Tensor& acc, int axis) const;
};

/// A convolution of bytes whose weight is constant: packed once.
///
/// Copies share the packed weights. Safe to use from several threads.
class ByteConv {
 public:
  /// weight [out, in / groups, ...] i8 or u8; its zero point has one element or `out`. Throws:
  /// `invalid_argument`, `unsupported`.
  ByteConv(const Tensor& weight, const std::optional<Tensor>& zero_point,
           const ConvOptions& options);

  /// The same with its results stored as bytes, fastest for sources whose zero point is `x_zero`;
  /// shares the packed weights.
  ByteConv stored_as(ByteStore store, std::int32_t x_zero) const;

  /// Of the result for a source of `src`. Throws: `invalid_argument`.
  Shape result_shape(const Shape& src) const;

  /// The convolution of (x - x_zero) with (weight - zero_point) in i32, or as it is stored.
  Tensor operator()(const Tensor& x, std::int32_t x_zero, Layout layout) const;

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }

 private:
  explicit ByteConv(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

  std::shared_ptr<const Impl> impl_;
};

struct ByteConvArgs {
  const ByteConv::Impl& conv;
  Tensor x;
  std::int32_t x_zero;
  Tensor dst;  ///< not empty, in either layout
};

std::span<const Implementation<ByteConvArgs>> byte_conv_implementations();

/// Whether oneDNN convolves bytes here: where not, products of matrices are faster.
bool convolves_bytes();

}  // namespace quern::ops
