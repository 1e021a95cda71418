#ifdef QUERN_PROGRAM
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "quern/serve/accounts.h"
#include "serve/ledger.h"
#include "serve/sql/keys.h"
#include "serve/sql/schema.h"

namespace quern::serve {
namespace {

using namespace std::chrono;

/// A configuration in a folder of its own, for `quern keys` and `quern usage`.
struct CommandShop {
  Run keys(const std::string& arguments) {
    return run("keys " + arguments + " --config " + config);
  }
  Run usage(const std::string& arguments) {
    return run("usage " + arguments + " --config " + config);
  }

  void record(const std::string& account, const std::string& model, sys_seconds finished,
              std::int64_t prompt_tokens, std::int64_t completion_tokens, const Prices& prices) {
    Database database = open_ledger(folder.path("usage.db"));
    Ledger ledger(folder.path("usage.db"), "EUR", "");
    ledger
        .record({.id = std::to_string(++entries),
                 .key = "qk_aaaaaaaaaa",
                 .account = find_key(database, account).account,
                 .model = model,
                 .prompt_tokens = prompt_tokens,
                 .completion_tokens = completion_tokens,
                 .finish_reason = "stop",
                 .prices = prices,
                 .finished = finished})
        .wait();
  }
  void record_november() {
    keys("create --plan pro --name 'Zo\u00eb, \"Ltd\"'");
    keys("create --plan pro --name acme");
    const sys_seconds day = sys_days{2026y / November / 5};
    const Prices small{150'000, 600'000, 0};
    record("acme", "small", day, 1'200'000, 300'000, small);
    record("acme", "small", day + days{1}, 34'567, 8, small);
    record("acme", "big", day, 1'000, 1'000, {3'000'000, 15'000'000, 2'000'000});
    record("Zo\u00eb, \"Ltd\"", "small", day, 7, 7, small);
  }

  TemporaryFolder folder;
  std::string config = folder.write("quern.json", R"({
    "ledger": "usage.db",
    "plans": {"pro": {"billing": "pay_as_you_go", "prices": {"input_per_million": 150000}},
              "voucher": {"billing": "prepaid", "prices": {"per_thousand_calls": 1}}}})");
  int entries = 0;
};

}  // namespace

TEST_CASE("keys create prints a key once, alone on stdout, and list shows it by its id") {
  CommandShop shop;
  const Run made = shop.keys("create --plan voucher --name acme --credit 12.5");
  REQUIRE(made.exit_code == 0);
  CHECK(made.out.size() == 67);
  CHECK(made.err.find("not shown again") != std::string::npos);
  const Run list = shop.keys("list");
  CHECK(list.out.find(made.out.substr(0, 13)) != std::string::npos);
  CHECK(list.out.find(made.out.substr(14, 20)) == std::string::npos);
  CHECK(list.out.find("12.50") != std::string::npos);
  const auto json = nlohmann::json::parse(shop.keys("list --json").out);
  CHECK(json.at(0).at("name") == "acme");
  CHECK(json.at(0).at("state") == "active");
  CHECK(json.at(0).at("credit_micros") == 12'500'000);
  CHECK(json.at(0).at("last_used").is_null());
}

TEST_CASE("keys are rotated with a time of grace, given credit, and revoked") {
  CommandShop shop;
  shop.keys("create --plan voucher --name acme");
  const Run rotated = shop.keys("rotate acme --grace 12h --json");
  REQUIRE(rotated.exit_code == 0);
  CHECK(shop.keys("credit acme 3").exit_code == 0);
  auto keys = nlohmann::json::parse(shop.keys("list --json").out);
  std::map<std::string, std::string> states;
  for (const auto& key : keys) states[key.at("id")] = key.at("state");
  CHECK(keys.size() == 2);
  CHECK(states.at(nlohmann::json::parse(rotated.out).at("id")) == "active");
  CHECK(std::ranges::count(states, "expiring",
                           &std::pair<const std::string, std::string>::second) == 1);
  CHECK(keys.at(0).at("credit_micros") == 3'000'000);
  CHECK(shop.keys("revoke acme").exit_code == 0);
  for (const auto& key : nlohmann::json::parse(shop.keys("list --json").out)) {
    CHECK(key.at("state") == "revoked");
  }
}

TEST_CASE("usage prints an invoice whose columns line up and whose amounts add up") {
  CommandShop shop;
  shop.record_november();
  const Run table = shop.usage("--month 2026-11");
  CHECK(table.exit_code == 0);
  CHECK(table.out == R"(Usage of 2026-11 (UTC), amounts in EUR

account     model  calls  input tokens  output tokens  per M input  per M output  per 1000 calls    amount
----------------------------------------------------------------------------------------------------------
Zoë, "Ltd"  small      1             7              7         0.15          0.60            0.00  0.000005
acme        big        1         1,000          1,000         3.00         15.00            2.00  0.020000
            small      2     1,234,567        300,008         0.15          0.60            0.00  0.365190
  sum                  3     1,235,567        301,008                                             0.385190
----------------------------------------------------------------------------------------------------------
total                  4     1,235,574        301,015                                             0.385195
)");
}

TEST_CASE("usage as csv is RFC 4180: a header, CRLF, quoted fields") {
  CommandShop shop;
  shop.record_november();
  CHECK(shop.usage("--month 2026-11 --format csv").out ==
        "period,account,model,currency,calls,input_tokens,output_tokens,input_per_million,"
        "output_per_million,per_thousand_calls,amount\r\n"
        "2026-11,\"Zo\u00eb, \"\"Ltd\"\"\",small,EUR,1,7,7,0.15,0.60,0.00,0.000005\r\n"
        "2026-11,acme,big,EUR,1,1000,1000,3.00,15.00,2.00,0.02\r\n"
        "2026-11,acme,small,EUR,2,1234567,300008,0.15,0.60,0.00,0.36519\r\n");
}

TEST_CASE("usage as json has the lines and their total in whole micro-units") {
  CommandShop shop;
  shop.record_november();
  const auto json =
      nlohmann::json::parse(shop.usage("--month 2026-11 --key acme --format json").out);
  CHECK(json.at("month") == "2026-11");
  CHECK(json.at("currency") == "EUR");
  REQUIRE(json.at("lines").size() == 2);
  CHECK(json.at("lines")[1].at("input_tokens") == 1'234'567);
  CHECK(json.at("lines")[1].at("input_per_million_micros") == 150'000);
  CHECK(json.at("lines")[1].at("amount_micros") == 365'190);
  CHECK(json.at("total").at("amount_micros") == 385'190);
  CHECK(!json.at("lines")[0].contains("day"));
  const auto daily =
      nlohmann::json::parse(shop.usage("--month 2026-11 --key acme --daily --format json").out);
  REQUIRE(daily.at("lines").size() == 3);
  CHECK(daily.at("lines")[2].at("day") == "2026-11-06");
  CHECK(nlohmann::json::parse(shop.usage("--month 2026-10 --format json").out).at("lines").empty());
}

TEST_CASE("a wrong argument of keys or usage gets one clear line and exit code 2") {
  CommandShop shop;
  for (const std::string& arguments :
       {std::string("keys"), "keys create --name a --config " + shop.config,
        "keys create --name a --plan gold --config " + shop.config,
        "keys create --name a --plan pro --credit 5 --config " + shop.config,
        "keys create --name a --plan voucher --credit -5 --config " + shop.config,
        "keys revoke nobody --config " + shop.config,
        "keys rotate nobody --grace 3 --config " + shop.config,
        "usage --month 2026-13 --config " + shop.config,
        "usage --format xml --config " + shop.config, "usage --key nobody --config " + shop.config,
        std::string("usage --config /nowhere.json")}) {
    CAPTURE(arguments);
    const Run result = run(arguments);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("quern: "));
    CHECK(std::ranges::count(result.err, '\n') == 1);
  }
}

}  // namespace quern::serve
#endif
