#pragma once

#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"

/// Arithmetic and functions of one element; activations and logic have headers of their own.
namespace quern::ops {

// ---- Of two tensors, with NumPy broadcasting; every numeric dtype but bool ----

QUERN_API Tensor add(const Tensor& a, const Tensor& b);
QUERN_API Tensor sub(const Tensor& a, const Tensor& b);
QUERN_API Tensor mul(const Tensor& a, const Tensor& b);
/// Integers divide as in C++; dividing an integer by zero throws `invalid_argument`.
QUERN_API Tensor div(const Tensor& a, const Tensor& b);
/// NaN where either is NaN.
QUERN_API Tensor minimum(const Tensor& a, const Tensor& b);
QUERN_API Tensor maximum(const Tensor& a, const Tensor& b);

/// a to the power of b, in a's dtype; b may have another. A negative power of an integer is 0,
/// but of 1 and -1.
QUERN_API Tensor pow(const Tensor& a, const Tensor& b);
/// What is left of a / b, with b's sign, as Python's `%`. As `div` for an integer by zero.
QUERN_API Tensor mod(const Tensor& a, const Tensor& b);
/// What is left of a / b, with a's sign, as C's `fmod`. As `div` for an integer by zero.
QUERN_API Tensor fmod(const Tensor& a, const Tensor& b);

// ---- Of one element; every numeric dtype but bool ----

/// Signed dtypes.
QUERN_API Tensor neg(const Tensor& x);
QUERN_API Tensor abs(const Tensor& x);
/// -1, 0 or 1; NaN of NaN.
QUERN_API Tensor sign(const Tensor& x);
/// Either limit may be absent, is a scalar, and has x's dtype; low > high gives high.
QUERN_API Tensor clip(const Tensor& x, const std::optional<Tensor>& low,
                      const std::optional<Tensor>& high);
/// Floating dtypes. Throws `invalid_argument` where low > high.
QUERN_API Tensor clip(const Tensor& x, float low, float high);

// ---- Of one element; floating dtypes ----

QUERN_API Tensor ceil(const Tensor& x);
QUERN_API Tensor floor(const Tensor& x);
/// Halves to even.
QUERN_API Tensor round(const Tensor& x);
QUERN_API Tensor reciprocal(const Tensor& x);
QUERN_API Tensor sqrt(const Tensor& x);
QUERN_API Tensor square(const Tensor& x);
QUERN_API Tensor exp(const Tensor& x);
QUERN_API Tensor log(const Tensor& x);
QUERN_API Tensor erf(const Tensor& x);
QUERN_API Tensor sin(const Tensor& x);
QUERN_API Tensor cos(const Tensor& x);
QUERN_API Tensor tan(const Tensor& x);
QUERN_API Tensor asin(const Tensor& x);
QUERN_API Tensor acos(const Tensor& x);
QUERN_API Tensor atan(const Tensor& x);
QUERN_API Tensor sinh(const Tensor& x);
QUERN_API Tensor cosh(const Tensor& x);
QUERN_API Tensor tanh(const Tensor& x);
QUERN_API Tensor asinh(const Tensor& x);
QUERN_API Tensor acosh(const Tensor& x);
QUERN_API Tensor atanh(const Tensor& x);

}  // namespace quern::ops
