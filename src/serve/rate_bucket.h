#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "serve/plans.h"

namespace quern::serve {

/// A bucket that holds a minute's worth of a rate and fills evenly. What it lacks is kept as a
/// time, that at which it is full again: exact, and one number.
///
/// Not thread-safe.
class RateBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr Nanoseconds kMinute = std::chrono::minutes(1);

  /// How long until `amount` can be taken; 0: now. `amount` is at most the limit.
  Nanoseconds wait(std::int64_t limit, std::int64_t amount, Time now) const {
    return std::max(Nanoseconds{0}, until_full(now) + time_for(limit, amount) - kMinute);
  }

  /// Takes an amount, also one that is not there, or gives it back where it is negative.
  void take(std::int64_t limit, std::int64_t amount, Time now) {
    full_at_ = now + std::max(Nanoseconds{0}, until_full(now) + time_for(limit, amount));
  }

  std::int64_t remaining(std::int64_t limit, Time now) const {
    const Nanoseconds full = kMinute - std::min(kMinute, until_full(now));
    return static_cast<std::int64_t>(Picos{full.count()} * limit / kMinute.count());
  }

  Nanoseconds until_full(Time now) const { return std::max(Nanoseconds{0}, full_at_ - now); }

 private:
  static Nanoseconds time_for(std::int64_t limit, std::int64_t amount) {
    return Nanoseconds(static_cast<std::int64_t>(Picos{kMinute.count()} * amount / limit));
  }

  Time full_at_{};
};

}  // namespace quern::serve
