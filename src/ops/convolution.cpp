#include "quern/ops/convolution.h"

#include "core/error.h"
#include "core/format.h"
#include "ops/packed_conv.h"

namespace quern::ops {
namespace {

Tensor convolve(const char* name, const Tensor& x, ConvSpec spec) {
  require(x.dtype() == spec.weight.dtype() && (!spec.bias || spec.bias->dtype() == x.dtype()),
          "{}: dtypes of x ({}), weight ({}) and bias differ", name, x.dtype(),
          spec.weight.dtype());
  spec.runs_once = true;
  return PackedConv(std::move(spec))(x, Layout::contiguous);
}

}  // namespace

Tensor conv(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
            const ConvOptions& options) {
  return convolve("conv", x, {.weight = weight, .bias = bias, .options = options});
}

Tensor conv_transpose(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias,
                      const ConvTransposeOptions& options) {
  return convolve("conv_transpose", x,
                  {.weight = weight,
                   .bias = bias,
                   .options = options.conv,
                   .transposed = true,
                   .output_padding = options.output_padding});
}

}  // namespace quern::ops
