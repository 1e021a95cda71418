#include "serve/sql/usage.h"

#include <fmt/format.h>

#include <map>
#include <tuple>
#include <utility>

#include "serve/months.h"
#include "serve/plans.h"

namespace quern::serve {
namespace {

// Columns of the query for lines.
constexpr int kQuantity = 6;
constexpr int kAccount = 9;
constexpr int kPrice = 10;

Prices read_prices(const Row& row, int first_column) {
  return {row.integer(first_column), row.integer(first_column + 1), row.integer(first_column + 2)};
}

Quantity read_quantity(const Row& row, int first_column) {
  return {row.integer(first_column), row.integer(first_column + 1), row.integer(first_column + 2)};
}

std::string date_text(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

UsageLine read_line(const Row& row, bool by_day) {
  const Quantity quantity = read_quantity(row, kQuantity);
  UsageLine line;
  if (by_day) line.day = date_text(row.integer(0));
  line.name = row.text(1);
  line.model = row.text(2);
  line.prices = read_prices(row, 3);
  line.calls = quantity.calls;
  line.prompt_tokens = quantity.prompt_tokens;
  line.completion_tokens = quantity.completion_tokens;
  return line;
}

/// What makes lines of several days one line of an invoice.
using LineKey = std::tuple<std::int64_t, std::string, std::int64_t>;

}  // namespace

std::vector<UsageLine> usage_lines(Database& database, DayRange days,
                                   const std::optional<KeyFilter>& filter, bool by_day) {
  std::vector<UsageLine> lines;
  std::map<LineKey, Quantity> totals;
  const std::int64_t everyone = filter ? 0 : 1;
  const KeyFilter wanted = filter.value_or(KeyFilter{});
  database.query(
      "SELECT CASE ?1 WHEN 1 THEN u.day ELSE 0 END AS of_day, coalesce(a.name, ''), u.model, "
      "  p.input_per_million, p.output_per_million, p.per_thousand_calls, "
      "  sum(u.calls), sum(u.prompt_tokens), sum(u.completion_tokens), u.account, u.price "
      "FROM usage u JOIN prices p ON p.id = u.price LEFT JOIN accounts a ON a.id = u.account "
      "WHERE u.day >= ?2 AND u.day < ?3 AND (?4 OR u.account = ?5) AND ?6 IN ('', u.key) "
      "GROUP BY of_day, u.account, u.model, u.price "
      "ORDER BY of_day, a.name, u.model, p.input_per_million, p.output_per_million, "
      "  p.per_thousand_calls",
      {std::int64_t{by_day}, days.first, days.end, everyone, wanted.account, wanted.key},
      [&](const Row& row) {
        UsageLine line = read_line(row, by_day);
        Quantity& total = totals[{row.integer(kAccount), line.model, row.integer(kPrice)}];
        const std::int64_t before = to_micros(cost(line.prices, total));
        const Quantity quantity = read_quantity(row, kQuantity);
        total.calls += quantity.calls;
        total.prompt_tokens += quantity.prompt_tokens;
        total.completion_tokens += quantity.completion_tokens;
        line.amount = to_micros(cost(line.prices, total)) - before;
        lines.push_back(std::move(line));
      });
  return lines;
}

Balance read_balance(Database& database, std::int64_t account, TimePoint now) {
  const DayRange month = days_of(month_of(now));
  Balance balance;
  database.query(
      "SELECT p.input_per_million, p.output_per_million, p.per_thousand_calls, sum(u.calls), "
      "  sum(u.prompt_tokens), sum(u.completion_tokens), "
      "  sum(CASE WHEN u.day >= ?2 AND u.day < ?3 THEN u.calls ELSE 0 END), "
      "  sum(CASE WHEN u.day >= ?2 AND u.day < ?3 THEN u.prompt_tokens + u.completion_tokens "
      "    ELSE 0 END) "
      "FROM usage u JOIN prices p ON p.id = u.price WHERE u.account = ?1 GROUP BY u.price",
      {account, month.first, month.end}, [&](const Row& row) {
        balance.spent += cost(read_prices(row, 0), read_quantity(row, 3));
        balance.month_requests += row.integer(6);
        balance.month_tokens += row.integer(7);
      });
  return balance;
}

}  // namespace quern::serve
