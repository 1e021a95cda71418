#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quern/ops.h"

namespace quern::ops {

/// Cosines and sines of some tokens' positions, made once and used by every layer.
class RotaryTable {
 public:
  /// Of no tokens yet.
  explicit RotaryTable(std::int64_t pairs) : pairs_(pairs) {}
  RotaryTable(std::span<const std::int64_t> positions, std::span<const float> frequencies);

  /// Adds tokens, whose cosines and sines are `scale` times what they would be. As many frequencies
  /// as there are pairs.
  void append(std::span<const std::int64_t> positions, std::span<const float> frequencies,
              float scale = 1.f);

  /// Rotates in place the heads of x [tokens, heads * head_dim] f32.
  void rotate(Tensor& x, std::int64_t head_dim, RotaryPairs pairs) const;
  /// Rotates in place `head_count` heads of each token, tokens `stride` floats apart.
  void rotate(float* heads, std::int64_t head_count, std::int64_t head_dim, std::int64_t stride,
              RotaryPairs pairs) const;

 private:
  std::int64_t tokens_ = 0;
  std::int64_t pairs_;
  std::vector<float> cosines_, sines_;  // [tokens, pairs]
};

}  // namespace quern::ops
