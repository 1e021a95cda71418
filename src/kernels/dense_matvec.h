#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/weight_rows.h"

namespace quern::kernels {

/// dst[i][row] = dot product of activation row i and weight row `row`, with f32 activations.
struct DenseProduct {
  WeightRows weight;  ///< dense, or blocks that are decoded to f32
  const float* src = nullptr;
  std::int64_t m = 0;
  std::int64_t src_stride = 0;
  float* dst = nullptr;
  std::int64_t dst_stride = 0;
};

/// Computes the weight's rows [begin, end) of a product.
void multiply_dense(const DenseProduct& product, std::int64_t begin, std::int64_t end);

}  // namespace quern::kernels
