#pragma once

#include <span>
#include <string_view>

#include "quern/export.h"
#include "quern/tensor.h"

namespace quern::ops {

/// [..., m, k] · [..., k, n] -> [..., m, n], leading axes broadcast; a vector on either side is
/// treated as NumPy does. Floating dtypes and i32, u32, i64, u64; i8 or u8 times i8 gives i32.
QUERN_API Tensor matmul(const Tensor& a, const Tensor& b);

/// Sums of products by NumPy's notation, "bij,bjk->bik": explicit or implicit output, repeated
/// labels for diagonals, an ellipsis for axes that broadcast. Dtypes of `matmul`. Throws
/// `invalid_argument` for an equation that does not fit the operands.
QUERN_API Tensor einsum(std::string_view equation, std::span<const Tensor> operands);

/// Determinants of square matrices [..., n, n] -> [...]; floating dtypes.
QUERN_API Tensor det(const Tensor& x);

}  // namespace quern::ops
