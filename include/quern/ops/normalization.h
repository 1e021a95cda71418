#pragma once

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

}  // namespace quern::ops
