#include "quern/layers/conv.h"

#include <utility>

#include "layers/spatial.h"
#include "ops/packed_conv.h"

namespace quern {

struct Conv::Impl {
  ops::PackedConv conv;
};

Conv::Conv(int spatial, std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
           const ConvSettings& settings)
    : out_channels_(out_channels), settings_(settings) {
  require(in_channels > 0 && out_channels > 0, "Conv: sizes {} and {} must be positive",
          in_channels, out_channels);
  require(settings.groups > 0 && in_channels % settings.groups == 0 &&
              out_channels % settings.groups == 0,
          "Conv: {} groups do not divide {} and {} channels", settings.groups, in_channels,
          out_channels);
  require(kernel.rank() > 0, "Conv: no kernel");
  weight_shape_ = {out_channels, in_channels / settings.groups};
  for (const std::int64_t size : for_axes("Conv", "kernel", spatial, kernel)) {
    require(size > 0, "Conv: kernel {} must be positive", kernel);
    weight_shape_.push_back(size);
  }
  settings_.stride = for_axes("Conv", "stride", spatial, settings.stride);
  settings_.padding = for_axes("Conv", "padding", spatial, settings.padding);
  settings_.dilation = for_axes("Conv", "dilation", spatial, settings.dilation);
}

void Conv::transpose(const Shape& output_padding) {
  transposed_ = true;
  output_padding_ =
      for_axes("ConvTranspose", "output_padding", weight_shape_.rank() - 2, output_padding);
  const std::int64_t in_channels = weight_shape_[1] * settings_.groups;
  weight_shape_[1] = out_channels_ / settings_.groups;
  weight_shape_[0] = in_channels;
}

void Conv::load(const WeightsView& weights) {
  ops::ConvSpec spec{.weight = weights.get("weight", weight_shape_).tensor(),
                     .options = {.strides = settings_.stride,
                                 .dilations = settings_.dilation,
                                 .pads_begin = settings_.padding,
                                 .pads_end = settings_.padding,
                                 .groups = settings_.groups},
                     .transposed = transposed_,
                     .output_padding = output_padding_};
  if (settings_.bias) spec.bias = weights.get("bias", {out_channels_}).tensor();
  impl_ = std::make_shared<const Impl>(Impl{ops::PackedConv(std::move(spec))});
}

Tensor Conv::operator()(const Tensor& x) const {
  require(impl_ != nullptr, "Conv: called before its weights were loaded");
  return impl_->conv(x, ops::Layout::contiguous);
}

}  // namespace quern
