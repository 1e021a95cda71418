#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/cache/cache_layout.h"
#include "models/parts/linear.h"
#include "models/parts/norm.h"
#include "models/parts/step.h"

namespace quern::models {

/// What is normalised of queries and keys ("attn_q_norm", "attn_k_norm").
enum class QkNorm {
  none,
  head,   ///< each head, all with one weight [head_dim]
  heads,  ///< each head, with a row of a weight [heads, head_dim] each, or one of "norms.0", ...
  all,    ///< all heads of a token at once, with a weight [heads * head_dim]
};

/// How queries, keys and values lie in one tensor, "attn_qkv", where a file has one.
enum class QkvOrder {
  parts,     ///< all queries, then all keys, then all values
  by_group,  ///< for each key head: the queries that share it, its keys, its values
  quarters,  ///< for each quarter of the heads: its queries, its values, its keys
};

struct SelfAttentionSettings {
  std::int64_t hidden_size = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  ///< divides `heads`
  std::int64_t head_dim = 0;
  QkvOrder order = QkvOrder::parts;
  std::optional<bool> bias = false;         ///< of q, k, v; none: where the file has one
  std::optional<bool> output_bias = false;  ///< none: where the file has one
  QkNorm qk_norm = QkNorm::none;
  NormSettings qk_norm_settings = {};
  bool norms_rotated = false;             ///< whether that follows the rotation
  std::optional<std::size_t> rotary = 0;  ///< which of the decoder's; none: no positions
  ops::RotaryPairs pairs = ops::RotaryPairs::halves;
  bool is_causal = true;     ///< whether a token sees none after it; only of texts can it not be
  float scale = 0;           ///< of scores; 0: 1 / sqrt(head_dim)
  float softcap = 0;         ///< scores become softcap * tanh(score / softcap); 0: unchanged
  std::int64_t window = 0;   ///< a token sees the last `window` tokens; 0: all
  float clip = 0;            ///< queries, keys and values are within [-clip, clip]; 0: unchanged
  float position_scale = 0;  ///< queries grow with 1 + this * log(1 + position / of_positions)
  std::int64_t of_positions = 1;              ///< in whole steps of so many
  std::optional<NormSettings> before_output;  ///< "attn_sub_norm", of what the last product reads
};

/// Grouped-query attention, causal over what a sequence holds in one of its layers, or within a
/// text that is not kept. Tensors "attn_q", "attn_k", "attn_v" (or "attn_qkv"), "attn_output", all
/// Linear, and the norms of its settings.
class SelfAttention final : public Sublayer {
 public:
  /// `layer`: of the cache. Throws: as Tensors::get; `corrupt_file` for sizes that do not fit each
  /// other.
  SelfAttention(const Tensors& tensors, std::int64_t layer, const SelfAttentionSettings& settings);

  Tensor run(const Tensor& x, const Step& step, const Tensor* residual) const override;
  /// What it keeps of a sequence.
  static KeysAndValues kept(const SelfAttentionSettings& settings, Accuracy accuracy);

 private:
  Tensor norm(const Tensor& x, const std::optional<Norm>& by,
              const std::optional<Tensor>& weights) const;
  void rotate(Tensor& q, Tensor& k, const Step& step) const;
  void scale_by_position(Tensor& q, const Batch& batch) const;
  Tensor attend(const Batch& batch, const Tensor& q, const Tensor& k, const Tensor& v) const;
  Tensor attend_texts(const Batch& batch, const Tensor& q, const Tensor& k, const Tensor& v) const;

  std::int64_t layer_;
  SelfAttentionSettings settings_;
  std::vector<Linear> qkv_;
  std::optional<Norm> q_norm_, k_norm_, before_output_;
  std::optional<Tensor> q_norm_weights_, k_norm_weights_;  // [heads * head_dim], of QkNorm::heads
  Linear output_;
};

}  // namespace quern::models
