#pragma once

#include <cstdint>

namespace quern::kernels {

/// dst[row] = src[row] / sqrt(mean(src[row]²) + epsilon) * scale, over rows of `size` floats.
void rms_norm(const float* src, std::int64_t rows, std::int64_t size, const float* scale,
              float epsilon, float* dst);

/// dst = (src - mean(src)) / sqrt(variance(src) + epsilon) * scale + shift, over rows of `size`
/// floats, as `scale` and `shift` have; null: ones, zeros. dst may be src.
void layer_norm(const float* src, std::int64_t rows, std::int64_t size, const float* scale,
                const float* shift, float epsilon, float* dst);

/// dst = exp(src) / the sum of exp(src), or its logarithm, over rows of `size` floats; all NaN
/// where a row has a NaN, an infinity above, or nothing above -infinity. dst may be src.
void softmax(const float* src, std::int64_t rows, std::int64_t size, bool logarithm, float* dst);

/// dst[i] = factor times the sum of row[i], for each `group` rows of `rows` that follow one
/// another; the last group has what is left.
void sum_rows(const float* src, std::int64_t rows, std::int64_t size, std::int64_t group,
              float factor, float* dst);

}  // namespace quern::kernels
