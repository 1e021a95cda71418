#include "quern/layers/norm.h"

#include "core/error.h"
#include "core/format.h"
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

BatchNorm::BatchNorm(std::int64_t channels, const BatchNormSettings& settings)
    : channels_(channels), settings_(settings) {
  require(channels > 0, "BatchNorm: size {} must be positive", channels);
}

void BatchNorm::load(const WeightsView& weights) {
  BatchNorm loaded = *this;
  const Shape shape{channels_};
  loaded.mean_ = weights.get("running_mean", shape).tensor();
  loaded.variance_ = weights.get("running_var", shape).tensor();
  loaded.weight_ =
      settings_.affine ? weights.get("weight", shape).tensor() : Tensor::full(shape, 1);
  loaded.bias_ = settings_.affine ? weights.get("bias", shape).tensor() : Tensor::zeros(shape);
  *this = std::move(loaded);
}

Tensor BatchNorm::operator()(const Tensor& x) const {
  require(mean_.numel() > 0, "BatchNorm: called before its weights were loaded");
  return ops::batch_norm(x, weight_, bias_, mean_, variance_, settings_.epsilon);
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormSettings& settings)
    : groups_(groups), channels_(channels), settings_(settings) {
  require(groups > 0 && channels > 0 && channels % groups == 0,
          "GroupNorm: {} groups do not divide {} channels", groups, channels);
}

void GroupNorm::load(const WeightsView& weights) {
  if (!settings_.affine) return;
  Tensor weight = weights.get("weight", {channels_}).tensor();
  bias_ = weights.get("bias", {channels_}).tensor();
  weight_ = std::move(weight);
}

Tensor GroupNorm::operator()(const Tensor& x) const {
  require(x.rank() >= 2 && x.dim(1) == channels_, "GroupNorm: expected [batch, {}, ...], got {}",
          channels_, x.shape());
  if (!settings_.affine) return ops::group_norm(x, groups_, {}, {}, settings_.epsilon);
  require(weight_.numel() > 0, "GroupNorm: called before its weights were loaded");
  return ops::group_norm(x, groups_, weight_, bias_, settings_.epsilon);
}

}  // namespace quern
