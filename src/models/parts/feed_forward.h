#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/parts/activation.h"
#include "models/parts/linear.h"
#include "models/parts/norm.h"
#include "models/parts/step.h"

namespace quern::models {

struct FeedForwardSettings {
  std::int64_t hidden_size = 0;
  std::int64_t size = 0;
  bool gated = true;
  Activation activation = {};
  std::optional<bool> bias = false;         ///< none: where the file has one
  std::optional<NormSettings> before_down;  ///< "ffn_sub_norm", of what the last product reads
};

/// down(f(gate(x)) * up(x)), or down(f(up(x))). Tensors "ffn_gate", "ffn_up", "ffn_down", all
/// Linear; gate and up may be the rows of one, "ffn_gate_up" or an "ffn_up" of twice the size.
class FeedForward final : public Sublayer {
 public:
  FeedForward(const Tensors& tensors, const FeedForwardSettings& settings);
  Tensor run(const Tensor& x, const Step& step, const Tensor* residual) const override;

 private:
  Activation activation_;
  std::vector<Linear> in_;  // gate and up, or up
  std::optional<Norm> before_down_;
  Linear down_;
};

}  // namespace quern::models
