#pragma once

#include <vector>

#include "models/batch.h"
#include "ops/rotary.h"
#include "quern/tensor.h"

namespace quern::models {

/// One forward of a decoder, as its parts see it.
struct Step {
  const Batch& batch;
  std::vector<ops::RotaryTable> rotary;  ///< of each kind of rotary positions that it has
};

/// What stands between the norms of a block: attention, a feed-forward layer, experts, a recurrent
/// layer. Immutable.
class Sublayer {
 public:
  virtual ~Sublayer() = default;
  /// x [tokens, hidden_size] f32, of that shape again; with `residual`, of that shape, added where
  /// it is not null. Passes a checkpoint after each product of weights.
  virtual Tensor run(const Tensor& x, const Step& step, const Tensor* residual) const = 0;
};

}  // namespace quern::models
