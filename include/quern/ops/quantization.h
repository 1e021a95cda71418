#pragma once

#include <cstdint>
#include <optional>

#include "quern/export.h"
#include "quern/ops/convolution.h"
#include "quern/tensor.h"

/// Values stored as q = saturate(round(x / scale) + zero_point), read as (q - zero_point) * scale.
/// Halves round to even. A zero point has the dtype of q and the shape of its scale; none is 0.
namespace quern::ops {

/// Which elements share a scale. A scale of one element is for all of x; [n] is for the n slices
/// of `axis`; with a `block_size`, the scale is as x but along `axis`, where it has an element for
/// each block.
struct ScaleAxis {
  int axis = 1;
  std::int64_t block_size = 0;
};

struct QuantizeOptions {
  DType dtype = DType::u8;  ///< i8, u8, i16, u16, or a narrow dtype but f8e8m0
  ScaleAxis along{};
  DType precision = DType::f32;  ///< of the division: f32, f16 or bf16
  bool saturate = true;          ///< of 8-bit floats; else what is beyond becomes infinity or NaN
};

/// x numeric; scale floating.
QUERN_API Tensor quantize(const Tensor& x, const Tensor& scale,
                          const std::optional<Tensor>& zero_point = {},
                          const QuantizeOptions& options = {});

struct DequantizeOptions {
  DType dtype = DType::f32;  ///< f32, f16 or bf16
  ScaleAxis along{};
};

/// q i8, u8, i16, u16, i32 or a narrow dtype.
QUERN_API Tensor dequantize(const Tensor& q, const Tensor& scale,
                            const std::optional<Tensor>& zero_point = {},
                            const DequantizeOptions& options = {});

/// Values and what they mean.
struct Quantized {
  Tensor values;
  Tensor scale;
  std::optional<Tensor> zero_point{};
};

/// x f32 in u8, by one scale, so that 0 and every element are in its range.
QUERN_API Quantized quantize_dynamic(const Tensor& x);

/// How a result is to be stored: its dtype is the zero point's, i8 or u8; one element each.
struct Quantization {
  Tensor scale;
  Tensor zero_point;
};

/// (a - a_zero) · (b - b_zero) in i32, as `matmul`; i8 or u8. A zero point has one element, or one
/// for each row of a ([m] or [..., m, 1]) or column of b ([n] or [..., 1, n]).
QUERN_API Tensor matmul_integer(const Tensor& a, const Tensor& b,
                                const std::optional<Tensor>& a_zero = {},
                                const std::optional<Tensor>& b_zero = {});

/// a · b of i8 or u8, stored as `y`. Scales of shapes as matmul_integer's zero points.
QUERN_API Tensor qlinear_matmul(const Quantized& a, const Quantized& b, const Quantization& y);

/// acc, i32 or f32, times multiplier plus y_zero_point, rounded and saturated to its dtype, i8 or
/// u8. `multiplier` f32 has one element or one for each slice of `axis`.
QUERN_API Tensor requantize(const Tensor& acc, const Tensor& multiplier, int axis,
                            const Tensor& y_zero_point);

/// The convolution of (x - x_zero) with (weight - weight_zero) in i32, as `conv`; i8 or u8. x_zero
/// has one element, weight_zero one or [out].
QUERN_API Tensor conv_integer(const Tensor& x, const Tensor& weight,
                              const std::optional<Tensor>& x_zero = {},
                              const std::optional<Tensor>& weight_zero = {},
                              const ConvOptions& options = {});

/// The convolution of x with weight plus bias, stored as `y`. x has one scale, the weight one or
/// [out]; bias [out], i32, or f32 where it has fractions, has their product as its scale.
QUERN_API Tensor qlinear_conv(const Quantized& x, const Quantized& weight,
                              const std::optional<Tensor>& bias, const Quantization& y,
                              const ConvOptions& options = {});

}  // namespace quern::ops
