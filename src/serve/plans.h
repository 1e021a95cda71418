#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "quern/serve/config.h"

namespace quern::serve {

/// Money in millionths of a micro-unit, in which every price of a token and of a call is whole:
/// sums are exact, and only what is shown is rounded.
__extension__ using Picos = __int128;

inline constexpr std::int64_t kMicros = 1'000'000;

struct Quantity {
  std::int64_t calls = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
};

Picos cost(const Prices& prices, const Quantity& quantity) noexcept;

/// Rounded half up; the largest there is beyond it.
std::int64_t to_micros(Picos picos) noexcept;

/// What a plan asks for a model.
const Prices& prices_of(const Plan& plan, std::string_view model);

/// Whether a plan lets its keys use a model.
bool may_use(const Plan& plan, std::string_view model);

/// "free, pro": for errors that list what there is.
std::string plan_names(const std::map<std::string, Plan>& plans);

}  // namespace quern::serve
