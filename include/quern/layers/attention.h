#pragma once

#include <cstdint>

#include "quern/layers/linear.h"
#include "quern/layers/module.h"

namespace quern {

struct MultiHeadAttentionSettings {
  std::int64_t kv_heads = 0;  ///< 0: as many as heads
  bool causal = false;
  std::int64_t window = 0;  ///< with `causal`: a token sees the last `window` tokens; 0: all
  bool bias = true;
};

/// Self-attention: [batch, tokens, dim] -> [batch, tokens, dim].
/// Weights, as in Hugging Face models: "q_proj", "k_proj", "v_proj", "o_proj", each a Linear. Those
/// of PyTorch's nn.MultiheadAttention ("in_proj_weight", "in_proj_bias", "out_proj") load too.
class QUERN_API MultiHeadAttention : public Module {
 public:
  /// Throws: `invalid_argument` where `heads` does not divide `dim`, or `kv_heads` not `heads`.
  MultiHeadAttention(std::int64_t dim, std::int64_t heads,
                     const MultiHeadAttentionSettings& settings = {});

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 private:
  std::int64_t dim_;
  std::int64_t heads_;
  MultiHeadAttentionSettings settings_;
  Linear query_, key_, value_, output_;
};

}  // namespace quern
