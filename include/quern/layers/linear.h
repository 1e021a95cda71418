#pragma once

#include <cstdint>
#include <memory>

#include "quern/layers/module.h"

namespace quern {

struct LinearSettings {
  bool bias = true;
  Accuracy accuracy = Accuracy::fast;  ///< what quantised and 16-bit weights may round to
};

/// x · weightᵀ + bias: [..., in_features] -> [..., out_features], floating, computed in f32.
/// Weights: "weight" [out_features, in_features], of any dtype or encoding and kept as stored, and
/// "bias" [out_features].
class QUERN_API Linear : public Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, const LinearSettings& settings = {});

  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;
  /// As `(*this)(x) + residual`, in one pass; `residual` f32 of the result's shape.
  Tensor operator()(const Tensor& x, const Tensor& residual) const;

  std::int64_t in_features() const noexcept { return in_features_; }
  std::int64_t out_features() const noexcept { return out_features_; }

 private:
  struct Impl;
  std::int64_t in_features_;
  std::int64_t out_features_;
  LinearSettings settings_;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace quern
