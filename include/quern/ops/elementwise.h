#pragma once

#include "quern/export.h"
#include "quern/tensor.h"

/// Elementwise functions.
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

// ---- Of one element ----

/// Every signed numeric dtype.
QUERN_API Tensor neg(const Tensor& x);
QUERN_API Tensor abs(const Tensor& x);
/// The rest: floating dtypes.
QUERN_API Tensor exp(const Tensor& x);
QUERN_API Tensor log(const Tensor& x);
QUERN_API Tensor sqrt(const Tensor& x);
QUERN_API Tensor square(const Tensor& x);
QUERN_API Tensor tanh(const Tensor& x);
QUERN_API Tensor sigmoid(const Tensor& x);
QUERN_API Tensor relu(const Tensor& x);
QUERN_API Tensor leaky_relu(const Tensor& x, float slope = 0.01f);
QUERN_API Tensor elu(const Tensor& x, float alpha = 1.f);
enum class GeluForm { erf, tanh };
QUERN_API Tensor gelu(const Tensor& x, GeluForm form = GeluForm::erf);
/// x * sigmoid(x).
QUERN_API Tensor silu(const Tensor& x);
QUERN_API Tensor softplus(const Tensor& x);
QUERN_API Tensor mish(const Tensor& x);
QUERN_API Tensor hardswish(const Tensor& x);
QUERN_API Tensor clip(const Tensor& x, float low, float high);
/// silu(gate) * up, of one shape.
QUERN_API Tensor silu_mul(const Tensor& gate, const Tensor& up);

}  // namespace quern::ops
