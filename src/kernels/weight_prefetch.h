#pragma once

#include <algorithm>
#include <cstdint>

namespace quern::kernels {

/// Where a kernel that reads `tile_rows` neighbouring rows side by side, tile after tile, will read
/// next: each row a fixed number of bytes later, which may be in a later tile.
class WeightPrefetch {
 public:
  WeightPrefetch(std::int64_t row_bytes, std::int64_t tile_rows) noexcept
      : row_bytes_(std::max<std::int64_t>(row_bytes, 1)),  // a row may be empty
        rest_(kAhead % row_bytes_),
        step_(kAhead / row_bytes_ * tile_rows * row_bytes_ + rest_),
        next_tile_((tile_rows - 1) * row_bytes_) {}

  /// How far from byte `offset` of a row. May point beyond the weight: a prefetch does not fault.
  std::int64_t distance(std::int64_t offset) const noexcept {
    return offset + rest_ < row_bytes_ ? step_ : step_ + next_tile_;
  }

 private:
  static constexpr std::int64_t kAhead = 2048;

  std::int64_t row_bytes_, rest_, step_, next_tile_;
};

}  // namespace quern::kernels
