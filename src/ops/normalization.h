#pragma once

#include <optional>
#include <span>

#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

struct SoftmaxArgs {
  Tensor src, dst;  ///< contiguous, not empty
  int axis;         ///< not negative
  bool logarithm;
};

std::span<const Implementation<SoftmaxArgs>> softmax_implementations();

struct LayerNormArgs {
  Tensor src, dst;                     ///< contiguous, not empty
  std::optional<Tensor> scale, shift;  ///< contiguous, f32
  float epsilon;
};

std::span<const Implementation<LayerNormArgs>> layer_norm_implementations();

}  // namespace quern::ops
