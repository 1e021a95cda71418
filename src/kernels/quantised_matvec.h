#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation_block.h"
#include "quern/weights.h"

namespace quern::kernels {

/// dst[i][row] = dot product of activation row i and weight row `row`.
struct QuantisedProduct {
  const std::byte* weight = nullptr;
  std::int64_t row_bytes = 0;
  std::int64_t k = 0;
  const ActivationBlock* src = nullptr;  ///< [superblocks(k)][m]
  std::int64_t m = 0;
  float* dst = nullptr;
  std::int64_t dst_stride = 0;
};

/// Computes the weight's rows [begin, end) of a product.
using QuantisedKernel = void (*)(const QuantisedProduct& product, std::int64_t begin,
                                 std::int64_t end);

/// Null where this machine or the encoding has no such kernel.
QuantisedKernel quantised_kernel(Encoding encoding);

/// Rounds a row of k values to superblocks(k) blocks, `dst_stride` blocks apart.
void quantise_row(const float* src, std::int64_t k, ActivationBlock* dst, std::int64_t dst_stride);

}  // namespace quern::kernels
