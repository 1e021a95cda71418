#pragma once

#include <memory>
#include <optional>

#include "models/parts/norm.h"
#include "models/parts/step.h"

namespace quern::models {

/// One layer of a transformer: a mixer of tokens and a feed-forward part, each added to what goes
/// past it, with norms where they are.
struct Block {
  std::optional<Norm> before_mixer = {}, after_mixer = {}, before_ffn = {}, after_ffn = {};
  std::unique_ptr<const Sublayer> mixer = {}, ffn = {};
  /// Whether both read what comes into the block, through `before_mixer` and `before_ffn`, or both
  /// through the former where there is no other.
  bool is_parallel = false;
  float residual_scale = 1.f;  ///< of what each of the two adds

  /// x [tokens, hidden_size] f32, of that shape again.
  Tensor run(const Tensor& x, const Step& step) const;
};

}  // namespace quern::models
