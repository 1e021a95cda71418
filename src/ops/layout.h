#pragma once

#include <optional>

#include "quern/tensor.h"

namespace quern::ops {

/// How the elements of [batch, channels, ...] lie: row-major, or with the channels of one place
/// together, which is how convolution and pooling are fastest.
enum class Layout { contiguous, channels_last };

bool is_channels_last(const Tensor& x);
/// How many elements the channels of one place are from those of the next, where they lie together
/// and places at even distances: in tensors with their channels last, and slices of their channels.
std::optional<std::int64_t> channel_pitch(const Tensor& x);
Tensor empty_in(Layout layout, const Shape& shape, DType dtype);
/// `x` itself where it has the dtype and the layout, else a copy that has.
Tensor in_layout(const Tensor& x, DType dtype, Layout layout);
/// A view with axes of size 1 before those of `x`, so that it has `rank`; `x` where it has as many.
Tensor with_rank(const Tensor& x, int rank);
/// Converts the elements of `src` into those of `dst`, of one shape and any strides.
void copy_into(const Tensor& src, const Tensor& dst);

}  // namespace quern::ops
