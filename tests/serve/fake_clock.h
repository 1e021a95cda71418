#pragma once

#include <atomic>
#include <chrono>

#include "serve/clock.h"

namespace quern::serve {

/// A clock that stands until it is moved. Starts at noon of 2026-11-24 in UTC.
class FakeClock {
 public:
  explicit FakeClock(
      std::chrono::sys_seconds start = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} +
                                       std::chrono::hours{12})
      : milliseconds_(std::chrono::milliseconds(start.time_since_epoch()).count()) {}

  void advance(std::chrono::milliseconds by) { milliseconds_ += by.count(); }
  std::chrono::system_clock::time_point now() const {
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds_));
  }
  Clock clock() {
    return {.now = [this] { return now(); },
            .steady =
                [this] {
                  return std::chrono::steady_clock::time_point(
                      std::chrono::milliseconds(milliseconds_));
                }};
  }

 private:
  std::atomic<std::int64_t> milliseconds_;
};

}  // namespace quern::serve
