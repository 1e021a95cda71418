#pragma once

#include <chrono>
#include <cstdint>

namespace quern::serve {

using TimePoint = std::chrono::system_clock::time_point;

/// Days since 1970 of a month of UTC, as the ledger counts them: `first` to before `end`.
struct DayRange {
  std::int64_t first = 0;
  std::int64_t end = 0;
};
DayRange days_of(std::chrono::year_month month) noexcept;
std::chrono::year_month month_of(TimePoint time) noexcept;

}  // namespace quern::serve
