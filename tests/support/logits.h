#pragma once

#include <algorithm>
#include <cmath>

#include "quern/tensor.h"

namespace quern {

/// The largest difference between two f32 tensors, as a share of the range of `expected`; infinite
/// where a value is not finite or the shapes differ.
inline double share_of_range(const Tensor& result, const Tensor& expected) {
  if (result.shape() != expected.shape()) return HUGE_VAL;
  const auto got = result.data<float>();
  const auto want = expected.data<float>();
  double largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - want[i]);
    largest = std::isfinite(difference) ? std::max(largest, difference) : HUGE_VAL;
  }
  const auto [low, high] = std::ranges::minmax(want);
  return largest / (static_cast<double>(high) - low);
}

}  // namespace quern
