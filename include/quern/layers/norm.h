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

struct BatchNormSettings {
  float epsilon = 1e-5f;
  bool affine = true;  ///< whether there are "weight" and "bias"
};

/// (x - running_mean) / sqrt(running_var + epsilon) * weight + bias for each channel of [batch,
/// channels] or [batch, channels, ...]: nn.BatchNorm1d, 2d and 3d outside training.
/// Weights, each [channels]: "running_mean", "running_var" and, with `affine`, "weight", "bias".
class QUERN_API BatchNorm : public Module {
 public:
  explicit BatchNorm(std::int64_t channels, const BatchNormSettings& settings = {});

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 private:
  std::int64_t channels_;
  BatchNormSettings settings_;
  Tensor mean_, variance_, weight_, bias_;
};

struct GroupNormSettings {
  float epsilon = 1e-5f;
  bool affine = true;  ///< whether there are "weight" and "bias"
};

/// Normalises each of `groups` runs of channels of a sample of [batch, channels, ...].
/// Weights, with `affine`: "weight" and "bias" [channels].
class QUERN_API GroupNorm : public Module {
 public:
  /// Throws: `invalid_argument` where `groups` does not divide `channels`.
  GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormSettings& settings = {});

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 private:
  std::int64_t groups_;
  std::int64_t channels_;
  GroupNormSettings settings_;
  Tensor weight_, bias_;
};

/// Normalises each channel of a sample: nn.InstanceNorm1d, 2d and 3d, without running statistics.
class QUERN_API InstanceNorm : public GroupNorm {
 public:
  explicit InstanceNorm(std::int64_t channels,
                        const GroupNormSettings& settings = {.affine = false})
      : GroupNorm(channels, channels, settings) {}
};

}  // namespace quern
