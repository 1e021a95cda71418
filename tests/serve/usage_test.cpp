#include <doctest/doctest.h>

#include "quern/serve/accounts.h"
#include "serve/ledger.h"
#include "serve/sql/usage.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using namespace std::chrono;

/// A service with a plan of each kind, and its ledger written by hand.
struct Books {
  Books() {
    config.ledger = folder.path("usage.db");
    config.plans["pro"] = {.billing = Billing::pay_as_you_go, .prices = kPrices};
    config.plans["voucher"] = {.billing = Billing::prepaid, .prices = kPrices};
    config.plans["trial"] = {};
  }

  void record(const Caller& caller, const std::string& model, sys_seconds finished,
              std::int64_t prompt_tokens, std::int64_t completion_tokens,
              const Prices& prices = kPrices) {
    Ledger ledger(config.ledger, config.currency, "");
    ledger
        .record({.id = std::to_string(++entries),
                 .key = caller.key,
                 .account = caller.account,
                 .model = model,
                 .prompt_tokens = prompt_tokens,
                 .completion_tokens = completion_tokens,
                 .finish_reason = "stop",
                 .prices = prices,
                 .finished = finished})
        .wait();
  }
  Caller caller(const IssuedKey& issued) {
    Database database{config.ledger};
    return authenticate(database, issued.key, system_clock::now()).value();
  }

  static constexpr Prices kPrices{150'000, 600'000, 1'000'000};
  TemporaryFolder folder;
  Config config;
  int entries = 0;
};

sys_seconds at(int y, unsigned m, unsigned d, seconds time = 0s) {
  return sys_days{year{y} / month{m} / day{d}} + time;
}

}  // namespace

TEST_CASE("an invoice has a line for each account, model and price, whose amounts add up") {
  Books books;
  Accounts accounts(books.config);
  const Caller acme = books.caller(accounts.create("acme", "pro"));
  const Caller zoe = books.caller(accounts.create("zoe", "pro"));
  books.record(zoe, "big", at(2026, 11, 3), 1'000'000, 0);
  books.record(acme, "small", at(2026, 11, 2), 400'000, 100'000);
  books.record(acme, "small", at(2026, 11, 9), 600'000, 900'000);
  books.record(acme, "small", at(2026, 11, 20), 1, 0, {300'000, 0, 0});  // a new price
  const Invoice invoice = accounts.invoice(2026y / November);
  CHECK(invoice.currency == "EUR");
  REQUIRE(invoice.lines.size() == 3);
  CHECK(invoice.lines[0].name == "acme");
  CHECK(invoice.lines[0].model == "small");
  CHECK(invoice.lines[0].prices == Books::kPrices);
  CHECK(invoice.lines[0].calls == 2);
  CHECK(invoice.lines[0].prompt_tokens == 1'000'000);
  CHECK(invoice.lines[0].completion_tokens == 1'000'000);
  CHECK(invoice.lines[0].amount == 150'000 + 600'000 + 2 * 1'000);
  CHECK(invoice.lines[1].amount == 0);  // 0.3 micro-units
  CHECK(invoice.lines[2].name == "zoe");
  CHECK(invoice.lines[2].amount == 150'000 + 1'000);
  CHECK(invoice.total.calls == 4);
  CHECK(invoice.total.prompt_tokens == 2'000'001);
  CHECK(invoice.total.completion_tokens == 1'000'000);
  CHECK(invoice.total.amount == 752'000 + 0 + 151'000);
}

TEST_CASE("what the days of a month cost adds up to its invoice") {
  Books books;
  Accounts accounts(books.config);
  const Caller acme = books.caller(accounts.create("acme", "pro"));
  const Caller zoe = books.caller(accounts.create("zoe", "pro"));
  const Prices third{333'333, 0, 0};
  for (unsigned day = 1; day <= 30; ++day) {  // each day's cost is a fraction of a micro-unit
    books.record(acme, "small", at(2026, 11, day), 1, 0, third);
    books.record(acme, "big", at(2026, 11, day), 5, 0, third);
    books.record(zoe, "small", at(2026, 11, day), 4, day % 3, third);
  }
  const Invoice invoice = accounts.invoice(2026y / November);
  REQUIRE(invoice.lines.size() == 3);
  CHECK(invoice.total.amount == 50 + 10 + 40);
  for (const UsageLine& line : invoice.lines) {
    std::int64_t amount = 0;
    for (const UsageLine& day : accounts.daily(2026y / November)) {
      CHECK(day.amount >= 0);
      if (day.name == line.name && day.model == line.model) amount += day.amount;
    }
    CHECK(amount == line.amount);
  }
}

TEST_CASE("months and days are those of UTC, leap years included") {
  Books books;
  Accounts accounts(books.config);
  const Caller acme = books.caller(accounts.create("acme", "pro"));
  books.record(acme, "m", at(2028, 2, 1), 1, 0);
  books.record(acme, "m", at(2028, 2, 29, 86'399s), 2, 0);
  books.record(acme, "m", at(2028, 3, 1), 4, 0);
  books.record(acme, "m", at(2028, 1, 31, 86'399s), 8, 0);
  CHECK(accounts.invoice(2028y / January).total.prompt_tokens == 8);
  CHECK(accounts.invoice(2028y / February).total.prompt_tokens == 3);
  CHECK(accounts.invoice(2028y / March).total.prompt_tokens == 4);
  CHECK(accounts.invoice(2027y / February).lines.empty());
  const auto days = accounts.daily(2028y / February);
  REQUIRE(days.size() == 2);
  CHECK(days[0].day == "2028-02-01");
  CHECK(days[1].day == "2028-02-29");
  CHECK(days[1].prompt_tokens == 2);
}

TEST_CASE("usage is of all, of an account by name, or of a key by id") {
  Books books;
  Accounts accounts(books.config);
  const IssuedKey first = accounts.create("acme", "pro");
  const Caller old = books.caller(first);
  books.record(old, "m", at(2026, 11, 1), 1, 0);
  const IssuedKey second = accounts.rotate("acme");
  const Caller fresh = books.caller(second);
  books.record(fresh, "m", at(2026, 11, 2), 2, 0);
  books.record(books.caller(accounts.create("other", "trial")), "m", at(2026, 11, 3), 4, 0, {});
  const auto tokens = [&](std::string_view key) {
    return accounts.invoice(2026y / November, key).total.prompt_tokens;
  };
  CHECK(tokens("") == 7);
  CHECK(tokens("acme") == 3);
  CHECK(accounts.invoice(2026y / November, "acme").lines.size() == 1);
  CHECK(tokens(first.info.id) == 1);
  CHECK(tokens(second.info.id) == 2);
  CHECK(tokens("other") == 4);
  CHECK(accounts.daily(2026y / November, "acme").size() == 2);
  CHECK(code_of([&] { tokens("nobody"); }) == ErrorCode::not_found);
}

TEST_CASE("a key's last use is when its last request ended") {
  Books books;
  Accounts accounts(books.config);
  const IssuedKey issued = accounts.create("acme", "pro");
  CHECK(!issued.info.last_used);
  books.record(books.caller(issued), "m", at(2026, 11, 5, 61s), 1, 1);
  books.record(books.caller(issued), "m", at(2026, 11, 4), 1, 1);
  CHECK(accounts.list().at(0).last_used == at(2026, 11, 5, 61s));
}

TEST_CASE("credit is granted on prepaid plans only, and adds up") {
  Books books;
  Accounts accounts(books.config);
  CHECK(accounts.create("a", "voucher", 2'000'000).info.credit == 2'000'000);
  accounts.add_credit("a", 500'000);
  CHECK(accounts.list().at(0).credit == 2'500'000);
  accounts.create("b", "pro");
  CHECK(code_of([&] { accounts.create("c", "pro", 1); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { accounts.add_credit("b", 1); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { accounts.add_credit("a", 0); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { accounts.add_credit("nobody", 1); }) == ErrorCode::not_found);
  CHECK(code_of([&] { accounts.create("d", "gold"); }) == ErrorCode::invalid_argument);
  CHECK(accounts.list().size() == 2);
}

TEST_CASE("a balance is what a month used and what was ever spent, exactly") {
  Books books;
  Accounts accounts(books.config);
  const Caller acme = books.caller(accounts.create("acme", "pro"));
  books.record(acme, "m", at(2026, 10, 31), 1, 1);
  books.record(acme, "m", at(2026, 11, 1), 10, 20);
  Database database{books.config.ledger};
  const Balance balance = read_balance(database, acme.account, at(2026, 11, 30, 86'399s));
  CHECK(balance.month_requests == 1);
  CHECK(balance.month_tokens == 30);
  CHECK(to_micros(balance.spent * 1000) ==
        to_micros(1000 * (11 * 150'000 + 21 * 600'000 + 2 * Picos{1'000'000'000})));
}

TEST_CASE("a month is read as 2026-11") {
  CHECK(parse_month("2026-11") == 2026y / November);
  for (const char* bad : {"", "2026-13", "2026-00", "2026-1", "202-011", "2026/11", "2026-11-01"}) {
    CAPTURE(bad);
    CHECK(code_of([&] { parse_month(bad); }) == ErrorCode::invalid_argument);
  }
}

}  // namespace quern::serve
