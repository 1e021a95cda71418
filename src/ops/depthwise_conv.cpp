#include "ops/depthwise_conv.h"

#include <algorithm>
#include <string>

#include "kernels/depthwise_conv.h"
#include "ops/packed_conv_impl.h"
#include "ops/run_steps.h"

namespace quern::ops {
namespace {

bool is_depthwise(const PackedConv::Impl& conv, DType dtype) {
  const Shape& weight = conv.weight->shape();
  return dtype == DType::f32 && !conv.spec.transposed && weight.rank() <= 4 && weight[1] == 1 &&
         weight[0] == conv.spec.options.groups;
}

/// Whether oneDNN has kernels for this, which do some steps in the same pass.
bool has_onednn_kernel(const ConvArgs& args) {
  if (args.src.rank() != 4) return false;
  const auto operation = backend::try_prepare(args.conv.describe(args, DType::f32));
  return operation && operation->kernel().find("dw") != std::string::npos;
}

kernels::WindowAxis axis_of(const ConvArgs& args, int axis) {
  const backend::Window& window = args.conv.window;
  return {.src = args.src.dim(axis + 2),
          .dst = args.dst.dim(axis + 2),
          .kernel = args.conv.weight->shape()[axis + 2],
          .stride = window.strides[axis],
          .dilation = window.dilations[axis],
          .pad = window.pads_begin[axis]};
}

}  // namespace

bool suits_planes(const PackedConv::Impl& conv, const Tensor& src) {
  return is_depthwise(conv, src.dtype()) && src.rank() == 3 && src.is_contiguous() &&
         !is_channels_last(src) && conv.window.strides[0] == 1;
}

bool run_depthwise(const ConvArgs& args) {
  if (!is_depthwise(args.conv, args.src.dtype()) || has_onednn_kernel(args)) return false;
  const bool planes = suits_planes(args.conv, args.src);
  const Layout layout = planes ? Layout::contiguous : Layout::channels_last;
  const Tensor src = in_layout(args.src, DType::f32, layout);
  const bool fits = planes ? args.dst.is_contiguous() : is_channels_last(args.dst);
  const bool in_place = fits && std::ranges::none_of(args.operands, [&](const Tensor& operand) {
                          return operand.raw() == args.dst.raw();
                        });
  Tensor dst = in_place ? args.dst : empty_in(layout, args.dst.shape(), DType::f32);
  const std::int64_t channels = src.dim(1);
  const Tensor weight = args.conv.weight->elements().cast(DType::f32).contiguous();
  const Tensor taps = weight.reshape({channels, weight.numel() / channels});
  const Tensor stored = planes ? taps : taps.transpose(0, 1).contiguous();
  std::optional<Tensor> bias = args.conv.spec.bias;
  if (bias) bias = bias->cast(DType::f32);
  const bool image = src.rank() == 4;
  kernels::convolve_depthwise({.batch = src.dim(0),
                               .channels = channels,
                               .rows = image ? axis_of(args, 0) : kernels::WindowAxis{},
                               .columns = axis_of(args, image ? 1 : 0),
                               .channels_last = !planes,
                               .src = static_cast<const float*>(src.raw()),
                               .taps = stored.data<float>().data(),
                               .bias = bias ? bias->data<float>().data() : nullptr,
                               .dst = static_cast<float*>(dst.mutable_raw())});
  run_steps(args.conv.spec.steps, args.operands, dst);
  if (!in_place) copy_into(dst, args.dst);
  return true;
}

}  // namespace quern::ops
