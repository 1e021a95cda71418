#pragma once

#include <optional>
#include <vector>

#include "serve/ledger_store.h"
#include "serve/sql/database.h"

namespace quern::serve {

/// Usage in some days, added up by account, model and price, and where `by_day` by day: of all, or
/// of what a filter names. In order of day, account, model and price. Sums are exact, and
/// rounded in one way: the amount of a line without days is its sum, rounded once, and that of a
/// day is what the day adds to that, so that the days of some range add up to its lines.
std::vector<UsageLine> usage_lines(Database& database, DayRange days,
                                   const std::optional<KeyFilter>& filter, bool by_day);

/// What an account has used in the month of `now`, and spent ever.
Balance read_balance(Database& database, std::int64_t account, TimePoint now);

}  // namespace quern::serve
