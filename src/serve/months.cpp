#include "serve/months.h"

#include "quern/serve/accounts.h"
#include "serve/error.h"

namespace quern::serve {

DayRange days_of(std::chrono::year_month month) noexcept {
  const auto first_day = [](std::chrono::year_month of) {
    return std::int64_t{std::chrono::sys_days{of / std::chrono::day{1}}.time_since_epoch().count()};
  };
  return {first_day(month), first_day(month + std::chrono::months{1})};
}

std::chrono::year_month month_of(TimePoint time) noexcept {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
  return date.year() / date.month();
}

std::chrono::year_month parse_month(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] - '0'; };
  bool formed = text.size() == 7 && text[4] == '-';
  for (std::size_t i = 0; formed && i < text.size(); ++i) {
    formed = i == 4 || (text[i] >= '0' && text[i] <= '9');
  }
  if (formed) {
    const std::chrono::year year{digit(0) * 1000 + digit(1) * 100 + digit(2) * 10 + digit(3)};
    const std::chrono::month month{static_cast<unsigned>(digit(5) * 10 + digit(6))};
    if (month.ok()) return year / month;
  }
  fail(ErrorCode::invalid_argument, "month \"{}\": expected one such as 2026-11", text);
}

}  // namespace quern::serve
