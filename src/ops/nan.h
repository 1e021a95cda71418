#pragma once

#include "quern/tensor.h"

namespace quern::ops {

/// Whether a contiguous f32 or bf16 tensor holds a NaN. oneDNN's kernels may turn one into a number
/// (relu(NaN) is 0, exp(NaN) is infinite), so such inputs go to the reference.
bool contains_nan(const Tensor& x);

}  // namespace quern::ops
