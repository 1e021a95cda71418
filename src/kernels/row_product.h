#pragma once

#include <cstdint>

namespace quern::kernels {

/// Columns of a matrix that its panels keep together.
constexpr std::int64_t kPanel = 64;

/// A matrix [k, n] of f32 in panels of kPanel columns, each row after row; the last one has as many
/// columns as are left, and up to 15 of zeros.
struct Panels {
  const float* data = nullptr;
  std::int64_t k = 0;
  std::int64_t n = 0;

  std::int64_t count() const noexcept { return (n + kPanel - 1) / kPanel; }
  /// Floats that all of them take.
  std::int64_t size() const noexcept { return k * ((n + 15) / 16 * 16); }
};

/// Lays out as `panels`, whose memory is `data`, a matrix whose rows and columns lie so many floats
/// apart.
void pack_panels(const Panels& panels, const float* matrix, std::int64_t row_stride,
                 std::int64_t column_stride, float* data);
/// Undoes it, row-major.
void unpack_panels(const Panels& panels, float* matrix);

/// dst [m, n] += src [m, k] · weight [k, n], rows of src and dst so many floats apart. Reads the
/// weight from the first byte to the last, once for a few rows of src.
struct RowProduct {
  const float* src = nullptr;
  Panels weight;
  float* dst = nullptr;
  std::int64_t m = 0;
  std::int64_t src_stride = 0;
  std::int64_t dst_stride = 0;
};

/// Panels [begin, end) of a product. Runs on the calling thread.
void add_row_product(const RowProduct& product, std::int64_t begin, std::int64_t end);
/// The same of the terms [first, last) of each sum.
void add_row_product(const RowProduct& product, std::int64_t begin, std::int64_t end,
                     std::int64_t first, std::int64_t last);

}  // namespace quern::kernels
