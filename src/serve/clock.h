#pragma once

#include <chrono>
#include <functional>

namespace quern::serve {

/// Where the time comes from: tests move it by hand.
struct Clock {
  /// For dates; steps when the system's clock is set.
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
  /// For rates; only goes on.
  std::function<std::chrono::steady_clock::time_point()> steady = std::chrono::steady_clock::now;
};

}  // namespace quern::serve
