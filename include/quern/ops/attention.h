#pragma once

#include <cstdint>
#include <optional>

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

/// As above with the cosines and sines of each token given, [batch, tokens, pairs] each; x [batch,
/// tokens, heads, head_dim] floating.
QUERN_API Tensor apply_rotary(const Tensor& x, const Tensor& cosines, const Tensor& sines,
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

/// The scores of attention on their way: q · kᵀ * scale, then under the cap, then with the mask,
/// then softmax of it.
enum class ScoreStage { scaled, capped, masked, probabilities };

struct MaskedAttentionOptions {
  /// Broadcasts to [batch, heads, queries, keys] from the right. bool: whether a query sees a key;
  /// floating: added to the scores. Keys beyond its last axis are not seen, unless that has size 1.
  std::optional<Tensor> mask{};
  std::optional<Tensor> key_lengths{};   ///< [batch] i32 or i64: keys beyond are not seen
  bool causal = false;                   ///< query i sees keys up to i + query_start
  std::optional<Tensor> query_starts{};  ///< [batch] i32 or i64; none: 0
  std::int64_t window = 0;  ///< with `causal`: sees only the last `window` of them; 0: all
  float scale = 0.f;        ///< of the scores; 0: 1 / sqrt(head_dim)
  float softcap = 0.f;      ///< scores become softcap * tanh(score / softcap); 0: they stay
  bool sink = false;        ///< softmax over one more score, 0, that has no value
  std::optional<ScoreStage> scores{};  ///< which scores are returned too
};

struct AttentionResult {
  Tensor output;                   ///< [batch, heads, queries, value_dim]
  std::optional<Tensor> scores{};  ///< [batch, heads, queries, keys]
};

/// Attention with masks and its stages to be seen. q [batch, heads, queries, head_dim], k [batch,
/// kv_heads, keys, head_dim], v [batch, kv_heads, keys, value_dim], floating; kv_heads divides
/// heads. A query that sees no key gives zeros. Memory is bounded: queries go in blocks.
QUERN_API AttentionResult masked_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                           const MaskedAttentionOptions& options = {});

/// What a token does to the state S [key_dim, value_dim] of linear attention, before it reads S.
enum class StateUpdate {
  linear,      ///< S += k vᵀ
  gated,       ///< S = exp(decay) S + k vᵀ
  delta,       ///< S += beta k (v - Sᵀ k)ᵀ
  gated_delta  ///< S = exp(decay) S, then as delta
};

struct LinearAttentionOptions {
  StateUpdate update = StateUpdate::gated_delta;
  float scale = 0.f;              ///< of what is read; 0: 1 / sqrt(key_dim)
  std::optional<Tensor> state{};  ///< [batch, kv_heads, key_dim, value_dim]; none: zeros
  std::optional<Tensor> decay{};  ///< [batch, tokens, kv_heads, key_dim or 1]
  std::optional<Tensor> beta{};   ///< [batch, tokens, kv_heads or 1]
};

struct LinearAttentionResult {
  Tensor output;  ///< [batch, tokens, heads, value_dim]
  Tensor state;   ///< after the last token
};

/// Attention without softmax, in time linear in tokens (Katharopoulos et al., 2020; gated delta
/// rule: Yang et al., 2024): each token updates the state and reads qᵀ S * scale. q [batch, tokens,
/// heads, key_dim], k [batch, tokens, kv_heads, key_dim], v [batch, tokens, kv_heads, value_dim],
/// floating; kv_heads divides heads.
QUERN_API LinearAttentionResult linear_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                                 const LinearAttentionOptions& options = {});

struct CausalConvResult {
  Tensor output;  ///< [batch, channels, tokens]
  Tensor state;   ///< [batch, channels, kernel - 1]: the last inputs
};

/// Convolution of each channel with its own filter over the tokens so far. x [batch, channels,
/// tokens] floating, weight [channels, 1, kernel], bias [channels]; `state` [batch, channels,
/// kernel - 1] are the inputs before the first, none: zeros.
QUERN_API CausalConvResult causal_conv(const Tensor& x, const Tensor& weight,
                                       const std::optional<Tensor>& bias = {},
                                       const std::optional<Tensor>& state = {});

}  // namespace quern::ops
