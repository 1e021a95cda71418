#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quern/serve/accounts.h"
#include "serve/database.h"
#include "serve/keys.h"
#include "serve/limits.h"

namespace quern::serve {

/// Days since 1970 of a month of UTC, as the ledger counts them: `first` to before `end`.
struct DayRange {
  std::int64_t first = 0;
  std::int64_t end = 0;
};
DayRange days_of(std::chrono::year_month month) noexcept;
std::chrono::year_month month_of(TimePoint time) noexcept;

/// Usage in some days, added up by account, model and price, and where `by_day` by day: of all, or
/// of what a filter names. In order of day, account, model and price. Sums are exact, and
/// rounded in one way: the amount of a line without days is its sum, rounded once, and that of a
/// day is what the day adds to that, so that the days of some range add up to its lines.
std::vector<UsageLine> usage_lines(Database& database, DayRange days,
                                   const std::optional<KeyFilter>& filter, bool by_day);

/// What an account has used in the month of `now`, and spent ever.
Balance read_balance(Database& database, std::int64_t account, TimePoint now);

}  // namespace quern::serve
