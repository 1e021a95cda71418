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

/// A convolution of bytes whose weight is constant: packed once.
///
/// Copies share the packed weights. Safe to use from several threads.
class ByteConv {
 public:
  /// weight [out, in / groups, ...] i8 or u8; its zero point has one element or `out`. Throws:
  /// `invalid_argument`, `unsupported`.
  ByteConv(const Tensor& weight, const std::optional<Tensor>& zero_point,
           const ConvOptions& options);

  /// Of the result for a source of `src`. Throws: `invalid_argument`.
  Shape result_shape(const Shape& src) const;

  /// The convolution of (x - x_zero) with (weight - zero_point) in i32.
  Tensor operator()(const Tensor& x, std::int32_t x_zero, Layout layout) const;
  /// Stored as `y`: `weight_scale` has one element or `out`; `bias` [out] i32, of scale x's times
  /// the weight's.
  Tensor operator()(const Quantized& x, const Tensor& weight_scale,
                    const std::optional<Tensor>& bias, const Quantization& y, Layout layout) const;

  struct Impl;
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// How an i32 result becomes bytes: (acc + bias) * multiplier + zero.
struct ByteStore {
  std::vector<float> multiplier;  ///< for each channel of the result
  std::optional<Tensor> bias{};   ///< i32 [out]
  Tensor zero;                    ///< [] of the stored dtype
};

struct ByteConvArgs {
  const ByteConv::Impl& conv;
  Tensor x;
  std::int32_t x_zero;
  const ByteStore* store;  ///< null: the result is i32
  Tensor dst;              ///< not empty, in either layout
};

std::span<const Implementation<ByteConvArgs>> byte_conv_implementations();

}  // namespace quern::ops
