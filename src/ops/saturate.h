#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace quern::ops {

/// Rounds halves to even. |value| < 2^22. Unlike std::nearbyint it vectorises everywhere.
inline float round_even(float value) {
  constexpr float kShift = 12582912.f;  // 1.5 * 2^23: the sum has no bits below one
  return (value + kShift) - kShift;
}

/// The integers that a quantised dtype holds.
struct IntegerRange {
  float low;
  float high;

  template <class T>
  static constexpr IntegerRange of() {
    return {static_cast<float>(std::numeric_limits<T>::min()),
            static_cast<float>(std::numeric_limits<T>::max())};
  }
};

/// The integer nearest to `value` plus `zero_point`, within `range`; NaN gives the lowest.
inline std::int32_t to_integer(float value, float zero_point, IntegerRange range) {
  const float bounded = std::min(range.high - zero_point, std::max(range.low - zero_point, value));
  return static_cast<std::int32_t>(round_even(bounded) + zero_point);
}

}  // namespace quern::ops
