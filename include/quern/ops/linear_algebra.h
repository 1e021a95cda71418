#pragma once

#include "quern/export.h"
#include "quern/tensor.h"

namespace quern::ops {

/// [..., m, k] · [..., k, n] -> [..., m, n], leading axes broadcast; a vector on either side is
/// treated as NumPy does. Floating dtypes and i32, i64; i8 or u8 times i8 gives i32.
QUERN_API Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace quern::ops
