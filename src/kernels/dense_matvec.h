#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weight_rows.h"

namespace quern::kernels {

/// Values of a row that stand together for all columns.
inline constexpr int kDenseChunk = 64;

/// dst[i][row] = dot product of activation row i and weight row `row`, with f32 activations.
struct DenseProduct {
  WeightRows weight;           ///< dense, or blocks that are decoded to f32
  const float* src = nullptr;  ///< [ceil(k / 64)][m][64], zero beyond k, aligned to 64 bytes
  std::int64_t m = 0;
  float* dst = nullptr;
  std::int64_t dst_stride = 0;
};

/// Computes the weight's rows [begin, end) of a product.
void multiply_dense(const DenseProduct& product, std::int64_t begin, std::int64_t end);

}  // namespace quern::kernels
