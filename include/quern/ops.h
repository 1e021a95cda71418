#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quern/export.h"
#include "quern/tensor.h"
#include "quern/weights.h"

/// Functions on tensors. Inputs may be any views; results are contiguous and share nothing with
/// the inputs. All are safe to call from several threads. Floating results of f16 and bf16 are
/// computed in f32 and rounded once. Every function throws `invalid_argument` where shapes do not
/// fit or dtypes differ, and `unsupported` for a dtype that it does not take.
namespace quern::ops {

// ---- Elementwise with NumPy broadcasting; every numeric dtype but bool ----

QUERN_API Tensor add(const Tensor& a, const Tensor& b);
QUERN_API Tensor sub(const Tensor& a, const Tensor& b);
QUERN_API Tensor mul(const Tensor& a, const Tensor& b);
/// Integers divide as in C++; dividing an integer by zero throws `invalid_argument`.
QUERN_API Tensor div(const Tensor& a, const Tensor& b);
/// NaN where either is NaN.
QUERN_API Tensor minimum(const Tensor& a, const Tensor& b);
QUERN_API Tensor maximum(const Tensor& a, const Tensor& b);

// ---- Functions of one element ----

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

// ---- Products ----

/// [..., m, k] · [..., k, n] -> [..., m, n], leading axes broadcast; a vector on either side is
/// treated as NumPy does. Floating dtypes and i32, i64; i8 or u8 times i8 gives i32.
QUERN_API Tensor matmul(const Tensor& a, const Tensor& b);

// ---- Reductions; no axes means all of them ----

/// i64 for integers, else x's dtype. Every numeric dtype; `mean` floating ones.
QUERN_API Tensor sum(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
QUERN_API Tensor mean(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
/// Throws `invalid_argument` over no elements; NaN wins.
QUERN_API Tensor max(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
QUERN_API Tensor min(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
/// i64 index of the first largest element along `axis`, which is dropped; NaN wins.
QUERN_API Tensor argmax(const Tensor& x, int axis = -1);

// ---- Normalisation; floating dtypes ----

QUERN_API Tensor softmax(const Tensor& x, int axis = -1);
QUERN_API Tensor log_softmax(const Tensor& x, int axis = -1);
/// Over the last axis; `scale` and `shift` [x.dim(-1)], each optional, of any floating dtype.
QUERN_API Tensor layer_norm(const Tensor& x, const std::optional<Tensor>& scale = {},
                            const std::optional<Tensor>& shift = {}, float epsilon = 1e-5f);
/// x / sqrt(mean(x²) + epsilon) * scale over the last axis (Zhang and Sennrich, 2019).
QUERN_API Tensor rms_norm(const Tensor& x, const Tensor& scale, float epsilon = 1e-5f);

// ---- Moving elements; every dtype ----

/// Tensors of one dtype whose shapes differ along `axis` at most.
QUERN_API Tensor concat(std::span<const Tensor> tensors, int axis);
/// Slices of `x` along `axis` at `indices` (i32 or i64; negative from the end), whose axes take
/// its place. Throws `invalid_argument` for an index out of range.
QUERN_API Tensor gather(const Tensor& x, const Tensor& indices, int axis = 0);
/// Rows of `table` [vocabulary, dim] at `ids` (i32 or i64) -> [..., dim]; quantised rows are
/// decoded to f32. Throws `invalid_argument` for an id out of range.
QUERN_API Tensor embedding(const Weight& table, const Tensor& ids);

// ---- Attention ----

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
