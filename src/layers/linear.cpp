#include "quern/layers/linear.h"

#include "core/error.h"
#include "ops/packed_weight.h"

namespace quern {

struct Linear::Impl {
  ops::PackedWeight weight;
  std::optional<Tensor> bias;
};

Linear::Linear(std::int64_t in_features, std::int64_t out_features, const LinearSettings& settings)
    : in_features_(in_features), out_features_(out_features), settings_(settings) {
  require(in_features > 0 && out_features > 0, "Linear: sizes {} and {} must be positive",
          in_features, out_features);
}

void Linear::load(const WeightsView& weights) {
  auto impl = std::make_shared<Impl>();
  impl->weight =
      ops::PackedWeight(weights.get("weight", {out_features_, in_features_}), settings_.accuracy);
  if (settings_.bias) impl->bias = weights.get("bias", {out_features_}).tensor(DType::f32);
  impl_ = std::move(impl);
}

Tensor Linear::operator()(const Tensor& x) const {
  require(impl_ != nullptr, "Linear: called before its weights were loaded");
  return ops::linear(x, impl_->weight, {.bias = impl_->bias, .residual = {}});
}

Tensor Linear::operator()(const Tensor& x, const Tensor& residual) const {
  require(impl_ != nullptr, "Linear: called before its weights were loaded");
  return ops::linear(x, impl_->weight, {.bias = impl_->bias, .residual = residual});
}

}  // namespace quern
