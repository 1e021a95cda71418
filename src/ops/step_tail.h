#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/activation.h"
#include "ops/step.h"
#include "quern/tensor.h"

namespace quern::ops {

/// The end of a product's steps where a kernel of ours, which takes the result once more, needs
/// less time than a post-op of oneDNN: a function that takes an exponential, and an addition after
/// it.
struct StepTail {
  std::size_t begin;  ///< the steps before it are post-ops
  ActivationFunction::Kind function;
  bool adds;  ///< the last of the operands

  /// dst = function(dst) + addend, both f32 or bf16 and lying alike without gaps.
  void run(const Tensor& dst, const std::optional<Tensor>& addend) const;
};

std::optional<StepTail> step_tail(const std::vector<Step>& steps);

}  // namespace quern::ops
