#include "serve/plans.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr std::size_t kDecimals = 6;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view to_string(Billing billing) noexcept {
  switch (billing) {
    case Billing::free:
      return "free";
    case Billing::prepaid:
      return "prepaid";
    case Billing::pay_as_you_go:
      return "pay_as_you_go";
  }
  return "unknown";
}

Picos cost(const Prices& prices, const Quantity& quantity) noexcept {
  constexpr Picos kPicosPerCall = 1'000;  // a thousandth of a micro-unit's million
  return Picos{quantity.prompt_tokens} * prices.input_per_million +
         Picos{quantity.completion_tokens} * prices.output_per_million +
         Picos{quantity.calls} * prices.per_thousand_calls * kPicosPerCall;
}

std::int64_t to_micros(Picos picos) noexcept {
  const Picos micros = (picos + kMicros / 2) / kMicros;
  return static_cast<std::int64_t>(
      std::min(micros, Picos{std::numeric_limits<std::int64_t>::max()}));
}

const Prices& prices_of(const Plan& plan, std::string_view model) {
  const auto found = plan.model_prices.find(std::string(model));
  return found != plan.model_prices.end() ? found->second : plan.prices;
}

bool may_use(const Plan& plan, std::string_view model) {
  return plan.models.empty() || std::ranges::find(plan.models, model) != plan.models.end();
}

std::string plan_names(const std::map<std::string, Plan>& plans) {
  std::vector<std::string_view> names;
  for (const auto& [name, plan] : plans) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string format_amount(std::int64_t micros) {
  const std::string_view sign = micros < 0 ? "-" : "";
  const auto size =
      micros < 0 ? 0 - static_cast<std::uint64_t>(micros) : static_cast<std::uint64_t>(micros);
  std::string text = fmt::format("{}{}.{:06}", sign, size / kMicros, size % kMicros);
  const std::size_t shortest = text.size() - (kDecimals - 2);
  while (text.size() > shortest && text.back() == '0') text.pop_back();
  return text;
}

std::int64_t parse_amount(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view decimals = text.substr(std::min(point + 1, text.size()));
  const bool well_formed = !whole.empty() && whole.size() <= 12 && decimals.size() <= kDecimals &&
                           (point == text.size() || !decimals.empty()) &&
                           std::ranges::all_of(whole, is_digit) &&
                           std::ranges::all_of(decimals, is_digit);
  require(well_formed,
          "amount \"{}\": expected a number such as 25 or 0.125, with at most 6 decimals", text);
  std::int64_t micros = 0;
  for (const char digit : whole) micros = micros * 10 + (digit - '0');
  for (std::size_t i = 0; i < kDecimals; ++i) {
    micros = micros * 10 + (i < decimals.size() ? decimals[i] - '0' : 0);
  }
  return micros;
}

}  // namespace quern::serve
