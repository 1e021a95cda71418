#pragma once

#include <optional>

#include "kernels/dense_attention.h"
#include "quern/tensor.h"

namespace quern::ops {

/// Whether attention of queries q [batch, heads, queries, dim] is best left to the kernel: f32,
/// enough of them to repay the packing of keys and values, and none of what is packed a view of a
/// few elements that claims to have more than any memory.
bool suits_dense_attention(const Tensor& q, const Tensor& k, const Tensor& v);

/// Attention of q [batch, heads, queries, dim], k_transposed [batch, kv_heads, dim, keys] and v
/// [batch, kv_heads, keys, value_dim], f32 of any strides and no size 0, by the kernel; `rest` says
/// all else but the mask. Of `mask`, which has 4 axes and f32, each axis is that of the scores or
/// 1, but for the last, which may end where no query sees further. The result's axes [batch, heads,
/// queries] lie as [batch, queries, heads], which is what models make of it next.
Tensor dense_attention(const Tensor& q, const Tensor& k_transposed, const Tensor& v,
                       const std::optional<Tensor>& mask, kernels::DenseAttention rest);

}  // namespace quern::ops
