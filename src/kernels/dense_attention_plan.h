#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/dense_attention.h"

namespace quern::kernels {

/// How the queries of a head are cut into blocks, and what a thread needs for one of them. Rows
/// that vectors walk over are padded to whole ones.
struct DenseAttentionPlan {
  explicit DenseAttentionPlan(const DenseAttention& attention)
      : padded_keys(padded(attention.keys)), padded_value_dim(padded(attention.value_dim)) {
    constexpr std::int64_t kScores = 65536;  // floats that a core's second cache has room for
    constexpr std::int64_t kMostRows = 64;
    constexpr std::int64_t kRows = 4;  // that `product` takes at once
    const std::int64_t most = std::clamp<std::int64_t>(kScores / padded_keys, 16, kMostRows);
    const std::int64_t even = (attention.queries + most - 1) / most;
    rows = ((attention.queries + even - 1) / even + kRows - 1) / kRows * kRows;
    blocks = (attention.queries + rows - 1) / rows;
    values_at = attention.dim * padded_keys;
    scores_at = values_at + attention.keys * padded_value_dim;
    sums_at = scores_at + rows * padded_keys;
    factors_at = sums_at + rows * padded_value_dim;
    floats = factors_at + padded(rows);
  }

  static constexpr std::int64_t kAlign = 16;  // floats of the longest vector
  static std::int64_t padded(std::int64_t count) { return (count + kAlign - 1) / kAlign * kAlign; }

  std::int64_t padded_keys, padded_value_dim;
  std::int64_t rows;    ///< of a block
  std::int64_t blocks;  ///< of a head
  /// Where the scratch of a thread has what, after its keys [dim, padded_keys]; and its size.
  std::int64_t values_at, scores_at, sums_at, factors_at, floats;
};

}  // namespace quern::kernels
