#pragma once

#include <cstdint>
#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"

/// Normalisation; floating dtypes.
namespace quern::ops {

QUERN_API Tensor softmax(const Tensor& x, int axis = -1);
QUERN_API Tensor log_softmax(const Tensor& x, int axis = -1);
/// Over the last axis; `scale` and `shift` [x.dim(-1)], each optional, of any floating dtype.
QUERN_API Tensor layer_norm(const Tensor& x, const std::optional<Tensor>& scale = {},
                            const std::optional<Tensor>& shift = {}, float epsilon = 1e-5f);
/// x / sqrt(mean(x²) + epsilon) * scale over the last axis (Zhang and Sennrich, 2019).
QUERN_API Tensor rms_norm(const Tensor& x, const Tensor& scale, float epsilon = 1e-5f);

// ---- Of [batch, channels, ...]; scale, shift, mean and variance [channels], of any floating
// dtype.

/// (x - mean) / sqrt(variance + epsilon) * scale + shift.
QUERN_API Tensor batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift,
                            const Tensor& mean, const Tensor& variance, float epsilon = 1e-5f);
/// With mean and variance of the elements of each group of channels of a sample. `groups` divides
/// the channels.
QUERN_API Tensor group_norm(const Tensor& x, std::int64_t groups,
                            const std::optional<Tensor>& scale = {},
                            const std::optional<Tensor>& shift = {}, float epsilon = 1e-5f);
/// With those of each channel of a sample.
QUERN_API Tensor instance_norm(const Tensor& x, const std::optional<Tensor>& scale = {},
                               const std::optional<Tensor>& shift = {}, float epsilon = 1e-5f);

struct LrnOptions {
  std::int64_t size = 5;  ///< channels that are summed: (size - 1) / 2 before, size / 2 after
  float alpha = 1e-4f;
  float beta = 0.75f;
  float bias = 1.f;
};
/// x / (bias + alpha / size * sum of x² over neighbouring channels)^beta.
QUERN_API Tensor lrn(const Tensor& x, const LrnOptions& options = {});

}  // namespace quern::ops
