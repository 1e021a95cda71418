#pragma once

#include <cstdint>

#include "quern/layers/module.h"

namespace quern {

struct LayerNormSettings {
  float epsilon = 1e-5f;
  bool bias = true;
};

/// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis.
/// Weights: "weight" [dim] and, with `bias`, "bias" [dim].
class QUERN_API LayerNorm : public Module {
 public:
  explicit LayerNorm(std::int64_t dim, const LayerNormSettings& settings = {});

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 private:
  std::int64_t dim_;
  LayerNormSettings settings_;
  Tensor weight_;
  Tensor bias_;
};

/// x / sqrt(mean(x²) + epsilon) * weight over the last axis. Weight: "weight" [dim].
class QUERN_API RMSNorm : public Module {
 public:
  explicit RMSNorm(std::int64_t dim, float epsilon = 1e-5f);

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 private:
  std::int64_t dim_;
  float epsilon_;
  Tensor weight_;
};

}  // namespace quern
