#pragma once

#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"

/// Activation functions; floating dtypes where nothing else is said.
namespace quern::ops {

QUERN_API Tensor sigmoid(const Tensor& x);
/// Every numeric dtype but bool.
QUERN_API Tensor relu(const Tensor& x);
QUERN_API Tensor leaky_relu(const Tensor& x, float slope = 0.01f);
/// x where x > 0, else slope * x; `slope` broadcasts to x's shape. Every numeric dtype but bool.
QUERN_API Tensor prelu(const Tensor& x, const Tensor& slope);
/// x where x > alpha, else 0.
QUERN_API Tensor thresholded_relu(const Tensor& x, float alpha = 1.f);
QUERN_API Tensor elu(const Tensor& x, float alpha = 1.f);
/// max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0).
QUERN_API Tensor celu(const Tensor& x, float alpha = 1.f);
/// gamma * elu(x, alpha); the defaults are those of Klambauer et al., 2017.
QUERN_API Tensor selu(const Tensor& x, float alpha = 1.6732632f, float gamma = 1.0507010f);
enum class GeluForm { erf, tanh };
QUERN_API Tensor gelu(const Tensor& x, GeluForm form = GeluForm::erf);
/// x * sigmoid(x).
QUERN_API Tensor silu(const Tensor& x);
/// x * sigmoid(alpha * x).
QUERN_API Tensor swish(const Tensor& x, float alpha);
QUERN_API Tensor softplus(const Tensor& x);
/// x / (1 + |x|).
QUERN_API Tensor softsign(const Tensor& x);
QUERN_API Tensor mish(const Tensor& x);
/// alpha * x + beta within [0, 1].
QUERN_API Tensor hardsigmoid(const Tensor& x, float alpha = 1.f / 6, float beta = 0.5f);
QUERN_API Tensor hardswish(const Tensor& x);
/// x moved towards 0 by `bias` where |x| > lambda, else 0. Every numeric dtype but bool.
QUERN_API Tensor shrink(const Tensor& x, float lambda = 0.5f, float bias = 0.f);
/// 1 at the first largest element along `axis`, else 0.
QUERN_API Tensor hardmax(const Tensor& x, int axis = -1);
/// silu(gate) * up, of one shape.
QUERN_API Tensor silu_mul(const Tensor& gate, const Tensor& up);

}  // namespace quern::ops
