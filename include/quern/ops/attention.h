#pragma once

#include <cstdint>

#include "quern/export.h"
#include "quern/tensor.h"

namespace quern::ops {

/// Which elements of a head make a pair that is rotated together.
enum class RotaryPairs {
  halves,      ///< i and i + dim / 2
  interleaved  ///< 2 i and 2 i + 1
};

/// Rotates the first 2 * frequencies of each head by position * frequency (Su et al., "RoFormer",
/// 2021). x [tokens, heads, head_dim] f32, bf16 or f16; positions [tokens] i32 or i64; frequencies
/// f32, at most head_dim / 2, in radians per position.
QUERN_API Tensor rotary_embedding(const Tensor& x, const Tensor& positions,
                                  const Tensor& frequencies,
                                  RotaryPairs pairs = RotaryPairs::halves);

struct AttentionOptions {
  bool causal = false;      ///< query i of n sees keys up to i + (keys - n)
  std::int64_t window = 0;  ///< with `causal`: sees only the last `window` of them; 0: all
  float scale = 0.f;        ///< of the scores; 0: 1 / sqrt(head_dim)
};

/// softmax(q · kᵀ * scale) · v. q [batch, heads, queries, head_dim], k and v [batch, kv_heads,
/// keys, head_dim] f32, bf16 or f16; kv_heads divides heads. A query that sees no key gives zeros.
QUERN_API Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                           const AttentionOptions& options = {});

}  // namespace quern::ops
