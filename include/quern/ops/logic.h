#pragma once

#include "quern/export.h"
#include "quern/tensor.h"

/// Comparisons, truth values and bits, with NumPy broadcasting.
namespace quern::ops {

// ---- Comparisons, of one dtype; bool ----

/// Every dtype; false where either is NaN.
QUERN_API Tensor equal(const Tensor& a, const Tensor& b);
/// The rest: numeric dtypes.
QUERN_API Tensor greater(const Tensor& a, const Tensor& b);
QUERN_API Tensor greater_equal(const Tensor& a, const Tensor& b);
QUERN_API Tensor less(const Tensor& a, const Tensor& b);
QUERN_API Tensor less_equal(const Tensor& a, const Tensor& b);

/// Floating dtypes and the 8-bit ones; bool.
QUERN_API Tensor is_nan(const Tensor& x);
enum class InfinitySign { either, positive, negative };
QUERN_API Tensor is_inf(const Tensor& x, InfinitySign sign = InfinitySign::either);

// ---- Of bools ----

QUERN_API Tensor logical_and(const Tensor& a, const Tensor& b);
QUERN_API Tensor logical_or(const Tensor& a, const Tensor& b);
QUERN_API Tensor logical_xor(const Tensor& a, const Tensor& b);
QUERN_API Tensor logical_not(const Tensor& x);

// ---- Of the bits of integers ----

QUERN_API Tensor bitwise_and(const Tensor& a, const Tensor& b);
QUERN_API Tensor bitwise_or(const Tensor& a, const Tensor& b);
QUERN_API Tensor bitwise_xor(const Tensor& a, const Tensor& b);
QUERN_API Tensor bitwise_not(const Tensor& x);
/// Unsigned dtypes; 0 for a shift by the width of the dtype or more.
QUERN_API Tensor shift_left(const Tensor& a, const Tensor& count);
QUERN_API Tensor shift_right(const Tensor& a, const Tensor& count);

/// a where `condition` (bool) holds, else b; a and b of one dtype, any.
QUERN_API Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

}  // namespace quern::ops
