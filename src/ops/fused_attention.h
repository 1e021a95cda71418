#pragma once

#include <optional>

#include "quern/tensor.h"

namespace quern::ops {

/// softmax(q · k_transposed * scale + mask) · v, floating: q [..., queries, dim], k_transposed
/// [..., dim, keys], v [..., keys, value_dim]; leading axes and `mask` broadcast. The result's axes
/// [batch, heads, queries] lie as [batch, queries, heads], which is what models make of it next.
/// Throws: `invalid_argument`, as matmul.
Tensor fused_attention(const Tensor& q, const Tensor& k_transposed, const Tensor& v,
                       const std::optional<Tensor>& mask, float scale);

}  // namespace quern::ops
