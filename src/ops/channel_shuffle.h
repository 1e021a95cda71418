#pragma once

#include <cstdint>
#include <vector>

#include "quern/tensor.h"

namespace quern::ops {

/// x [batch, groups * k, ...] with the channels of its groups in turns: channel i * k + j becomes
/// j * groups + i. In `parts` tensors of equally many channels, which must divide k; channels that
/// lie last stay so. Throws: `invalid_argument`.
std::vector<Tensor> shuffle_channels(const Tensor& x, std::int64_t groups, std::int64_t parts);

}  // namespace quern::ops
