#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/attention.h"

namespace quern::kernels {

/// Query rows that share one key head, with the state of their online softmax.
struct AttentionTile {
  /// As many as work well; a single query has as many as share its key head.
  static constexpr std::int64_t kUsualRows = 64;

  AttentionTile(std::int64_t capacity, std::int64_t padded_dim);
  /// Makes `count` rows that have seen nothing, `capacity` at most.
  void reset(std::int64_t count);

  std::int64_t rows = 0;
  std::int64_t dim;
  float* queries;  ///< [rows, dim], scaled
  float* sums;     ///< [rows, dim], of values by weight
  float* scores;   ///< [rows, kPageTokens]
  std::vector<float> maximum;
  std::vector<float> total;
  std::vector<std::int64_t> first_seen;  ///< a row sees the positions [first_seen, last_seen)
  std::vector<std::int64_t> last_seen;

 private:
  std::vector<float> memory_;
};

}  // namespace quern::kernels
