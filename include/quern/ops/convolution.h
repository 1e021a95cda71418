#pragma once

#include <cstdint>
#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"

/// Convolutions over 1 to 3 spatial axes; floating dtypes.
namespace quern::ops {

/// How the filters move: a value for each spatial axis, or none for the default.
struct ConvOptions {
  Shape strides{};          ///< default 1
  Shape dilations{};        ///< distance between two elements of a filter; default 1
  Shape pads_begin{};       ///< zeros before the first element; default 0
  Shape pads_end{};         ///< and after the last
  std::int64_t groups = 1;  ///< each sees its own share of the channels
};

/// x [batch, in, ...], weight [out, in / groups, ...] -> [batch, out, ...], where a spatial size is
/// (size + pads - dilation * (kernel - 1) - 1) / stride + 1. `bias` [out]; weight and bias of x's
/// dtype.
QUERN_API Tensor conv(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias = {},
                      const ConvOptions& options = {});

struct ConvTransposeOptions {
  ConvOptions conv{};  ///< of the convolution whose gradient this is: pads are cut off the result
  Shape output_padding{};  ///< added to the end of each spatial axis, below its stride; default 0
};

/// x [batch, in, ...], weight [in, out / groups, ...] -> [batch, out, ...], where a spatial size is
/// (size - 1) * stride - pads + dilation * (kernel - 1) + output_padding + 1.
QUERN_API Tensor conv_transpose(const Tensor& x, const Tensor& weight,
                                const std::optional<Tensor>& bias = {},
                                const ConvTransposeOptions& options = {});

}  // namespace quern::ops
