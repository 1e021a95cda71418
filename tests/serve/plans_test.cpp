#include <doctest/doctest.h>

#include <limits>

#include "serve/plans.h"
#include "support/error_code.h"

namespace quern::serve {

TEST_CASE("the cost of a month of small requests is exact, where rounding each would not be") {
  const Prices prices{150'000, 600'000, 0};  // 0.15 and 0.60 for a million tokens
  // One token of a prompt costs 0.15 micro-units: a million of them cost 0.15.
  CHECK(to_micros(cost(prices, {1, 1, 0})) == 0);
  CHECK(to_micros(1'000'000 * cost(prices, {1, 1, 0})) == 150'000);
  CHECK(to_micros(cost(prices, {1'000'000, 1'000'000, 2'000'000})) == 150'000 + 1'200'000);
}

TEST_CASE("calls are priced by the thousand") {
  const Prices prices{0, 0, 2'500'000};
  CHECK(to_micros(cost(prices, {1, 500, 500})) == 2'500);
  CHECK(to_micros(cost(prices, {3'000, 0, 0})) == 7'500'000);
}

TEST_CASE("amounts are rounded half up, and the largest prices and counts do not overflow") {
  CHECK(to_micros(499'999) == 0);
  CHECK(to_micros(500'000) == 1);
  CHECK(to_micros(1'500'000) == 2);
  const Prices dearest{1'000'000'000'000, 1'000'000'000'000, 1'000'000'000'000};
  CHECK(to_micros(cost(dearest, {1, 1'000'000'000, 0})) == 1'000'001'000'000'000);
  CHECK(to_micros(cost(dearest, {1, 1LL << 50, 1LL << 50})) ==
        std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("a model's own prices stand before the plan's, and a list of models is a limit") {
  const Plan plan{.billing = Billing::pay_as_you_go,
                  .prices = {1, 2, 3},
                  .model_prices = {{"big", {10, 20, 30}}},
                  .models = {"big", "small"}};
  CHECK(prices_of(plan, "big") == Prices{10, 20, 30});
  CHECK(prices_of(plan, "small") == Prices{1, 2, 3});
  CHECK(may_use(plan, "small"));
  CHECK(!may_use(plan, "other"));
  CHECK(may_use(Plan{}, "other"));
}

TEST_CASE("amounts are written with two to six decimals, and read back") {
  CHECK(format_amount(0) == "0.00");
  CHECK(format_amount(12'500'000) == "12.50");
  CHECK(format_amount(42) == "0.000042");
  CHECK(format_amount(1'234'567) == "1.234567");
  CHECK(format_amount(-1'500'000) == "-1.50");
  CHECK(format_amount(std::numeric_limits<std::int64_t>::min()) == "-9223372036854.775808");
  CHECK(parse_amount("25") == 25'000'000);
  CHECK(parse_amount("0.125") == 125'000);
  CHECK(parse_amount("999999999999.999999") == 999'999'999'999'999'999);
  for (const char* bad : {"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0.1234567", " 1", "1 ",
                          "1000000000000", "nan"}) {
    CAPTURE(bad);
    CHECK(code_of([&] { parse_amount(bad); }) == ErrorCode::invalid_argument);
  }
}

}  // namespace quern::serve
