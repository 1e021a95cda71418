#pragma once

#include <cstdint>

namespace quern::kernels {

/// dst [m, n] += src [m, k] · weight [k, n] in f32, rows of each so many floats apart. Reads the
/// weight as it lies, once for a few rows of src.
struct RowProduct {
  const float* src = nullptr;
  const float* weight = nullptr;
  float* dst = nullptr;
  std::int64_t m = 0;
  std::int64_t k = 0;
  std::int64_t src_stride = 0;
  std::int64_t weight_stride = 0;
  std::int64_t dst_stride = 0;
};

/// Columns [begin, end) of a product. Runs on the calling thread.
void add_row_product(const RowProduct& product, std::int64_t begin, std::int64_t end);

}  // namespace quern::kernels
