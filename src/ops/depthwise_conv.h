#pragma once

#include "ops/packed_conv.h"

namespace quern::ops {

/// A convolution of f32 whose channels are each convolved by themselves over one axis, or over two
/// where oneDNN has no kernel for that.
bool run_depthwise(const ConvArgs& args);

/// Whether it is that, over one axis, and `src` lies so that its result does best to lie alike,
/// contiguous.
bool suits_planes(const PackedConv::Impl& conv, const Tensor& src);

}  // namespace quern::ops
