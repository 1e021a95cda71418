#include "models/parts/norm.h"

#include "core/error.h"
#include "quern/ops.h"

namespace quern::models {

NormSettings checked(const NormSettings& settings) {
  if (!(settings.epsilon >= 0.f && settings.epsilon < 1.f))
    fail(ErrorCode::corrupt_file, "model: norm epsilon is {}", settings.epsilon);
  return settings;
}

Norm::Norm(const Tensors& tensors, std::string_view name, std::int64_t dim,
           const NormSettings& settings)
    : dim_(dim), settings_(checked(settings)) {
  if (!settings.has_weight) {
    if (settings.kind == NormKind::rms) weight_ = Tensor::full({dim}, 1.0);
    return;
  }
  const bool has_bias = settings.bias.value_or(tensors.has(name, "bias"));
  const WeightsView view = tensors.view(name, has_bias);
  weight_ = view.get("weight", {dim}).tensor(DType::f32);
  if (settings.offset != 0.f)
    weight_ = ops::add(*weight_, Tensor::full({1}, static_cast<double>(settings.offset)));
  if (has_bias) bias_ = view.get("bias", {dim}).tensor(DType::f32);
}

Tensor Norm::operator()(const Tensor& x) const {
  const bool is_whole = x.dim(-1) == dim_;
  const Tensor runs = is_whole ? x : x.reshape({-1, dim_});
  const Tensor normed = settings_.kind == NormKind::rms
                            ? ops::rms_norm(runs, *weight_, settings_.epsilon)
                            : ops::layer_norm(runs, weight_, bias_, settings_.epsilon);
  return is_whole ? normed : normed.reshape(x.shape());
}

}  // namespace quern::models
