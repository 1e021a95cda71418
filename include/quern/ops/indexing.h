#pragma once

#include "quern/export.h"
#include "quern/tensor.h"
#include "quern/weights.h"

/// Elements chosen by index; every dtype.
namespace quern::ops {

/// Slices of `x` along `axis` at `indices` (i32 or i64; negative from the end), whose axes take
/// its place. Throws `invalid_argument` for an index out of range.
QUERN_API Tensor gather(const Tensor& x, const Tensor& indices, int axis = 0);
/// Rows of `table` [vocabulary, dim] at `ids` (i32 or i64) -> [..., dim]; quantised rows are
/// decoded to f32. Throws `invalid_argument` for an id out of range.
QUERN_API Tensor embedding(const Weight& table, const Tensor& ids);

}  // namespace quern::ops
