#include "serve/meter.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "serve/fake_clock.h"
#include "serve/refusal.h"
#include "serve/sql/schema.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using namespace std::chrono_literals;

struct Service {
  Service() {
    config.ledger = folder.path("usage.db");
    config.plans["pro"] = {.billing = Billing::pay_as_you_go,
                           .prices = {1'000'000, 2'000'000, 0},
                           .requests_per_minute = 1000,
                           .models = {"small"},
                           .priority = 7};
    config.plans["voucher"] = {.billing = Billing::prepaid, .prices = {1'000'000, 1'000'000, 0}};
  }

  TemporaryFolder folder;
  Config config;
  FakeClock clock{std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())};
};

Outcome outcome(const std::string& id, std::int64_t prompt_tokens, std::int64_t completion_tokens) {
  return {id, "stop", prompt_tokens, completion_tokens, 1500us};
}

}  // namespace

TEST_CASE("a request is admitted, finished, and then on its account's bill and in its usage") {
  Service service;
  Accounts accounts(service.config);
  const IssuedKey key = accounts.create("acme", "pro");
  Meter meter(service.config, service.clock.clock());
  CHECK(meter.asks_for_keys());
  const auto caller = meter.authenticate(key.key);
  REQUIRE(caller);
  CHECK(meter.enter(*caller).allowed());
  Admission admission = meter.admit(*caller, {"small", 100, 500, "r1"});
  REQUIRE(admission.allowed());
  CHECK(admission.priority() == 7);
  CHECK(admission.decision().requests->remaining == 999);
  CHECK(meter.finish(std::move(admission), outcome("r1", 100, 30)).wait());

  const auto month = month_of(service.clock.now());
  const Invoice invoice = accounts.invoice(month);
  REQUIRE(invoice.lines.size() == 1);
  CHECK(invoice.lines[0].name == "acme");
  CHECK(invoice.total.amount == 100 + 60);
  const auto own = meter.daily(*caller, month);
  REQUIRE(own.size() == 1);
  CHECK(own[0].completion_tokens == 30);
  CHECK(meter.balance(*caller).month_tokens == 130);
  CHECK(accounts.list().at(0).last_used);
}

TEST_CASE("only the plan's models may be used") {
  Service service;
  const IssuedKey key = Accounts(service.config).create("acme", "pro");
  Meter meter(service.config, service.clock.clock());
  const Caller caller = meter.authenticate(key.key).value();
  CHECK(meter.may_use(caller, "small"));
  CHECK(!meter.may_use(caller, "big"));
  const Admission refused = meter.admit(caller, {"big", 1, 1, "r1"});
  CHECK(refusal_of(refused.decision()).status() == 404);
  CHECK(refusal_of(refused.decision()).details().code == "model_not_found");
}

TEST_CASE("a caller sees its own usage and no other's") {
  Service service;
  Accounts accounts(service.config);
  Meter meter(service.config, service.clock.clock());
  const Caller a = meter.authenticate(accounts.create("a", "pro").key).value();
  const Caller b = meter.authenticate(accounts.create("b", "pro").key).value();
  meter.finish(meter.admit(a, {"small", 1, 1, "r1"}), outcome("r1", 1, 1)).wait();
  CHECK(meter.daily(a, month_of(service.clock.now())).size() == 1);
  CHECK(meter.daily(b, month_of(service.clock.now())).empty());
}

TEST_CASE("credit is spent across a restart, and topped up while the service runs") {
  Service service;
  Accounts accounts(service.config);
  const IssuedKey key = accounts.create("acme", "voucher", 100);  // a token costs a micro-unit
  {
    Meter meter(service.config, service.clock.clock());
    const Caller caller = meter.authenticate(key.key).value();
    meter.finish(meter.admit(caller, {"m", 40, 60, "r1"}), outcome("r1", 40, 20)).wait();
  }
  Meter meter(service.config, service.clock.clock());
  const auto ask = [&] {
    return meter.admit(meter.authenticate(key.key).value(), {"m", 40, 1, "r2"});
  };
  CHECK(ask().decision().passed == Limit::credit);
  accounts.add_credit("acme", 1);
  CHECK(ask().allowed());
}

TEST_CASE("a plan that an account still has must be offered") {
  Service service;
  const IssuedKey key = Accounts(service.config).create("acme", "pro");
  Config without = service.config;
  without.plans.erase("pro");
  CHECK(code_of([&] { Meter(without, service.clock.clock()); }) == ErrorCode::invalid_argument);
  Accounts(service.config).revoke("acme");
  Meter meter(without, service.clock.clock());
  CHECK(!meter.authenticate(key.key));
  CHECK(meter.admit({.account = 1, .name = "acme", .plan = "pro"}, {"small", 1, 1, "r1"})
            .decision()
            .passed == Limit::plan);
}

TEST_CASE("without plans no key is asked for, and usage is kept in memory") {
  Meter meter(Config{});
  CHECK(!meter.asks_for_keys());
  Admission admission = meter.admit({}, {"any", 5, 5, "r1"});
  REQUIRE(admission.allowed());
  CHECK(headers_of(admission.decision()).empty());
  CHECK(meter.finish(std::move(admission), outcome("r1", 5, 5)).wait());
  CHECK(meter.daily({}, month_of(std::chrono::system_clock::now())).at(0).calls == 1);
  Meter other(Config{});
  CHECK(other.daily({}, month_of(std::chrono::system_clock::now())).empty());
}

TEST_CASE(
    "an admission that is dropped costs what was delivered, and its request is known till then") {
  Service service;
  Accounts accounts(service.config);
  Meter meter(service.config, service.clock.clock());
  const Caller caller = meter.authenticate(accounts.create("acme", "pro").key).value();
  Database ledger = open_ledger(service.config.ledger);
  {
    const Admission nothing = meter.admit(caller, {"small", 100, 500, "r1"});
    Admission some = meter.admit(caller, {"small", 100, 500, "r2"});
    CHECK(ledger.value("SELECT count(*) FROM open_requests") == 2);
    meter.deliver(some, 30);
  }
  CHECK(meter.balance(caller).month_tokens == 130);
  meter.finish(meter.admit(caller, {"small", 1, 1, "r3"}), outcome("r3", 1, 1)).wait();
  CHECK(ledger.value("SELECT count(*) FROM open_requests") == 0);
  CHECK(accounts.invoice(month_of(service.clock.now())).total.completion_tokens == 31);
}

TEST_CASE("many threads are metered at once, while keys are made and bills are read") {
  constexpr int kThreads = 6;
  constexpr int kEach = 25;
  Service service;
  Accounts accounts(service.config);
  Meter meter(service.config, service.clock.clock());
  std::vector<IssuedKey> keys;
  for (int t = 0; t < kThreads; ++t) keys.push_back(accounts.create(std::to_string(t), "pro"));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const Caller caller = meter.authenticate(keys[t].key).value();
        const std::string id = fmt::format("{}.{}", t, i);
        Admission admission = meter.admit(caller, {"small", 10, 10, id});
        if (i % 5 == 4) continue;
        meter.finish(std::move(admission), outcome(id, 10, t)).wait();
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 10; ++i) {
      accounts.create("late " + std::to_string(i), "pro");
      accounts.invoice(month_of(service.clock.now()));
    }
  });
  for (std::thread& thread : threads) thread.join();
  const Invoice invoice = accounts.invoice(month_of(service.clock.now()));
  CHECK(invoice.lines.size() == kThreads);
  CHECK(invoice.total.calls == kThreads * kEach * 4 / 5);
  CHECK(meter.balance(meter.authenticate(keys[0].key).value()).month_requests == kEach * 4 / 5);
}

}  // namespace quern::serve
