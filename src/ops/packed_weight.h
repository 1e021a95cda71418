#pragma once

#include <cstdint>
#include <optional>

#include "quern/tensor.h"
#include "quern/weights.h"

namespace quern::ops {

struct LinearOptions {
  std::optional<Tensor> bias;      ///< [out], f32
  std::optional<Tensor> residual;  ///< added to the result; of its shape, f32
};

/// The weight [out, in] of a linear map, whatever its encoding: quantisation is known here and
/// nowhere above. Few rows run on the stored bytes as they are, and so do many where the machine
/// has dot products of bytes and no matrix units. Else many rows are multiplied by oneDNN, dense
/// weights in place and others a decoded panel at a time, in bf16 where `Accuracy::fast` allows and
/// the machine gains by it, else in f32.
///
/// Immutable, so safe to share between threads.
class PackedWeight {
 public:
  PackedWeight() = default;
  /// Shares the stored bytes of `weight`. Throws: `invalid_argument` unless its rank is 2.
  explicit PackedWeight(Weight weight, Accuracy accuracy = Accuracy::fast);

  std::int64_t in_features() const noexcept { return weight_.shape()[1]; }
  std::int64_t out_features() const noexcept { return weight_.shape()[0]; }
  const Weight& weight() const noexcept { return weight_; }
  Accuracy accuracy() const noexcept { return accuracy_; }

  /// dst[m, out] = src[m, in] · weightᵀ + bias + residual, all f32 and dense.
  void multiply(const float* src, std::int64_t m, float* dst, const LinearOptions& options) const;

 private:
  bool multiplies_stored() const;
  void multiply_few(const float* src, std::int64_t m, float* dst,
                    const LinearOptions& options) const;
  void multiply_many(const float* src, std::int64_t m, float* dst,
                     const LinearOptions& options) const;

  Weight weight_;
  Accuracy accuracy_ = Accuracy::fast;
};

/// x [..., in] · weightᵀ -> [..., out] in x's dtype; floating.
Tensor linear(const Tensor& x, const PackedWeight& weight, const LinearOptions& options = {});

}  // namespace quern::ops
