#pragma once

#include "quern/tensor.h"

namespace quern::ops {

/// `indices` (i32 or i64) as i64 in a row, counted from the front. Throws `invalid_argument` for
/// one out of [-limit, limit).
Tensor checked_indices(const char* operation, const Tensor& indices, std::int64_t limit);

}  // namespace quern::ops
