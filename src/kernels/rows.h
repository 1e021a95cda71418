#pragma once

#include <cstdint>

namespace quern::kernels {

/// dst[row] = src[row] / sqrt(mean(src[row]²) + epsilon) * scale, over rows of `size` floats.
void rms_norm(const float* src, std::int64_t rows, std::int64_t size, const float* scale,
              float epsilon, float* dst);

/// dst = gate / (1 + exp(-gate)) * up, over `count` floats; dst may be either source.
void silu_mul(const float* gate, const float* up, std::int64_t count, float* dst);

}  // namespace quern::kernels
