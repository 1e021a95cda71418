#pragma once

#include "quern/tensor.h"

namespace quern::ops {

/// Whether a contiguous f32 or bf16 tensor holds a NaN. oneDNN's kernels may turn one into a number
/// (relu(NaN) is 0, exp(NaN) is infinite), so such inputs go to the reference.
bool contains_nan(const Tensor& x);
/// Whether a tensor of a floating dtype holds neither NaN nor infinity, however it lies.
bool is_finite(const Tensor& x);
/// Whether all of `count` elements at `values`, f32 or bf16, are neither NaN nor infinite.
bool all_finite(const void* values, std::int64_t count, DType dtype);

}  // namespace quern::ops
