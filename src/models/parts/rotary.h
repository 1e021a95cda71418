#pragma once

#include <cstdint>
#include <vector>

#include "models/batch.h"
#include "models/source/rope.h"
#include "ops/rotary.h"

namespace quern::models {

/// Rotary positions (Su et al., 2021) under any scaling. Immutable.
class Rotary {
 public:
  /// Throws: `corrupt_file` for settings that make no frequencies.
  explicit Rotary(const RopeSettings& settings);

  /// Angles of a batch's tokens.
  ops::RotaryTable at(const Batch& batch) const;
  /// Radians a position of each rotated pair, in a sequence that comes to hold `length` tokens.
  std::vector<float> frequencies(std::int64_t length) const;
  /// Sequences whose lengths give the same number have the same angles; others must not share what
  /// is kept of them.
  std::int64_t kind(std::int64_t length) const;
  /// Of cosines and sines.
  float attention_factor() const noexcept { return attention_factor_; }

 private:
  RopeSettings settings_;
  float attention_factor_ = 1.f;
  std::vector<float> usual_;  // frequencies of sequences that are not long
};

}  // namespace quern::models
