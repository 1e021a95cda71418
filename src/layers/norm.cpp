#include "quern/layers/norm.h"

#include "core/error.h"
#include "quern/ops.h"

namespace quern {

LayerNorm::LayerNorm(std::int64_t dim, const LayerNormSettings& settings)
    : dim_(dim), settings_(settings) {
  require(dim > 0, "LayerNorm: size {} must be positive", dim);
}

void LayerNorm::load(const WeightsView& weights) {
  Tensor weight = weights.get("weight", {dim_}).tensor(DType::f32);
  if (settings_.bias) bias_ = weights.get("bias", {dim_}).tensor(DType::f32);
  weight_ = std::move(weight);
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  require(weight_.numel() > 0, "LayerNorm: called before its weights were loaded");
  return ops::layer_norm(x, weight_, settings_.bias ? std::optional(bias_) : std::nullopt,
                         settings_.epsilon);
}

RMSNorm::RMSNorm(std::int64_t dim, float epsilon) : dim_(dim), epsilon_(epsilon) {
  require(dim > 0, "RMSNorm: size {} must be positive", dim);
}

void RMSNorm::load(const WeightsView& weights) {
  weight_ = weights.get("weight", {dim_}).tensor(DType::f32);
}

Tensor RMSNorm::operator()(const Tensor& x) const {
  require(weight_.numel() > 0, "RMSNorm: called before its weights were loaded");
  return ops::rms_norm(x, weight_, epsilon_);
}

}  // namespace quern
