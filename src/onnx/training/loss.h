#pragma once

#include <cstdint>
#include <optional>

#include "quern/tensor.h"

/// Losses of classifiers; floating dtypes.
namespace quern::onnx::training {

/// What becomes of the losses of all places: kept, summed, or their mean weighted by class.
enum class LossReduction { none, sum, mean };

struct LossOptions {
  std::optional<Tensor> weight;              ///< [classes], of the scores' dtype
  std::optional<std::int64_t> ignore_index;  ///< a target whose place counts nothing
  LossReduction reduction = LossReduction::mean;
};

/// -weight[target] * log_probs[n, target, ...]. log_probs [batch, classes, ...] and targets
/// [batch, ...] (i32 or i64) -> [batch, ...], or a scalar where reduced. Throws `invalid_argument`
/// for a target that is no class.
Tensor nll_loss(const Tensor& log_probs, const Tensor& targets, const LossOptions& options = {});

}  // namespace quern::onnx::training
