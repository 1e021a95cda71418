#include "serve/limits.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <thread>

#include "serve/fake_clock.h"
#include "serve/refusal.h"

namespace quern::serve {
namespace {

using namespace std::chrono_literals;

struct Limits {
  explicit Limits(Plan plan_, Balance used = {}) : plan(std::move(plan_)), before(used) {}

  std::pair<Decision, Reservation> ask(std::int64_t tokens = 0, Picos cost = 0,
                                       std::int64_t credit = 0) {
    Decision entered = limiter.enter({1, &plan, credit, 0, 0});
    if (!entered.allowed()) return {std::move(entered), Reservation()};
    return limiter.admit({1, &plan, credit, tokens, cost});
  }
  /// Asks and uses exactly what was asked for.
  Decision use(std::int64_t tokens = 0, Picos cost = 0, std::int64_t credit = 0) {
    auto [decision, reservation] = ask(tokens, cost, credit);
    reservation.settle(tokens, cost);
    return decision;
  }

  Plan plan;
  Balance before;
  FakeClock clock;
  Limiter limiter{clock.clock(), [this](std::int64_t) { return before; }};
};

std::map<std::string, std::string> header_map(const Decision& decision) {
  const Headers headers = headers_of(decision);
  return {headers.begin(), headers.end()};
}

}  // namespace

TEST_CASE("a plan without limits allows all, and says nothing of limits") {
  Limits limits{Plan{}};
  for (int i = 0; i < 1000; ++i) REQUIRE(limits.use(1'000'000).allowed());
  CHECK(headers_of(limits.use()).empty());
}

TEST_CASE("requests per minute: a minute's worth at once, then one as each is there again") {
  Limits limits{Plan{.requests_per_minute = 6}};
  for (int i = 0; i < 6; ++i) {
    const Decision decision = limits.use();
    REQUIRE(decision.allowed());
    CHECK(decision.requests->remaining == 5 - i);
  }
  const Decision refused = limits.use();
  CHECK(refused.passed == Limit::requests_per_minute);
  CHECK(refusal_of(refused).status() == 429);
  CHECK(refusal_of(refused).details().code == "rate_limit_exceeded");
  CHECK(refused.retry_after == 10s);
  limits.clock.advance(9999ms);
  CHECK(limits.use().passed == Limit::requests_per_minute);
  limits.clock.advance(1ms);
  CHECK(limits.use().allowed());
  CHECK(limits.use().passed == Limit::requests_per_minute);
  limits.clock.advance(1h);
  for (int i = 0; i < 6; ++i) CHECK(limits.use().allowed());
  CHECK(limits.use().passed == Limit::requests_per_minute);
}

TEST_CASE("limits that a minute does not divide evenly are kept too") {
  for (const std::int64_t limit : {1, 7, 13, 127, 1009, 59'999}) {
    Limits limits{Plan{.requests_per_minute = limit}};
    std::int64_t allowed = 0;
    while (limits.use().allowed()) ++allowed;
    CHECK(allowed == limit);
  }
}

TEST_CASE("tokens per minute: what is estimated is held, and put right at the end") {
  Limits limits{Plan{.tokens_per_minute = 1000}};
  auto [first, held] = limits.ask(800);
  CHECK(first.allowed());
  CHECK(first.tokens->remaining == 200);
  const Decision refused = limits.use(300);
  CHECK(refused.passed == Limit::tokens_per_minute);
  CHECK(refusal_of(refused).details().type == "tokens");
  CHECK(refused.retry_after == 6s);  // a hundred tokens of a thousand a minute
  held.settle(100, 0);
  const Decision allowed = limits.use(300);
  CHECK(allowed.allowed());
  CHECK(allowed.tokens->remaining == 600);
}

TEST_CASE("a request that is dropped gives its tokens back") {
  Limits limits{Plan{.monthly_tokens = 5000, .tokens_per_minute = 1000}};
  for (int i = 0; i < 20; ++i) CHECK(limits.ask(1000).first.allowed());
  CHECK(limits.limiter.balance(1).month_tokens == 0);
  CHECK(limits.limiter.balance(1).month_requests == 0);
}

TEST_CASE("what was delivered of a request that is dropped is used") {
  Limits limits{Plan{.monthly_tokens = 5000, .tokens_per_minute = 1000}};
  {
    auto [decision, reservation] = limits.ask(1000, 1000);
    reservation.deliver(30, 30);
    reservation.deliver(40, 40);
  }
  CHECK(limits.limiter.balance(1).month_tokens == 40);
  CHECK(limits.limiter.balance(1).month_requests == 1);
  CHECK(limits.limiter.balance(1).spent == 40);
  CHECK(limits.ask(1).first.tokens->remaining == 959);
}

TEST_CASE("a request that has entered is counted, whatever becomes of it") {
  Limits limits{Plan{.requests_per_minute = 2}};
  CHECK(limits.limiter.enter({1, &limits.plan, 0, 0, 0}).allowed());
  CHECK(limits.limiter.enter({1, &limits.plan, 0, 0, 0}).allowed());
  const Decision refused = limits.limiter.enter({1, &limits.plan, 0, 0, 0});
  CHECK(refused.passed == Limit::requests_per_minute);
  CHECK(refused.retry_after == 30s);
}

TEST_CASE("prompts are counted for no more work than a minute's tokens, admitted or not") {
  Limits limits{Plan{.tokens_per_minute = 1000}};
  const LimitRequest prompt{1, &limits.plan, 0, 300, 0};
  for (int i = 0; i < 3; ++i) {
    CHECK(limits.limiter.allow_work(prompt).allowed());
    CHECK(limits.ask(1001).first.passed == Limit::tokens_at_once);
  }
  const Decision refused = limits.limiter.allow_work(prompt);
  CHECK(refused.passed == Limit::tokens_per_minute);
  CHECK(refusal_of(refused).status() == 429);
  CHECK(refused.retry_after == 12s);
  CHECK(refused.tokens->remaining == 1000);  // of what is used, nothing was
  limits.clock.advance(12s);
  CHECK(limits.limiter.allow_work(prompt).allowed());
}

TEST_CASE("no work is done for whom quota, credit or rate would refuse in any case") {
  Limits month{Plan{.monthly_tokens = 100}, Balance{.month_tokens = 100}};
  CHECK(month.limiter.allow_work({1, &month.plan, 0, 1, 0}).passed == Limit::monthly_tokens);
  Limits prepaid{Plan{.billing = Billing::prepaid, .prices = {1, 1, 1}}};
  CHECK(prepaid.limiter.allow_work({1, &prepaid.plan, 0, 1, 1}).passed == Limit::credit);
  Limits fast{Plan{.tokens_per_minute = 100}};
  const auto held = fast.ask(100).second;
  CHECK(fast.limiter.allow_work({1, &fast.plan, 0, 1, 0}).passed == Limit::tokens_per_minute);
}

TEST_CASE("a request of more tokens than a minute has is refused with no time to retry after") {
  Limits limits{Plan{.tokens_per_minute = 1000}};
  const Decision refused = limits.use(1001);
  CHECK(refused.passed == Limit::tokens_at_once);
  CHECK(!refused.retry_after);
  CHECK(std::string_view(refusal_of(refused).what()).find("1001") != std::string_view::npos);
  CHECK(limits.use(1000).allowed());
}

TEST_CASE("tokens used beyond the estimate are owed") {
  Limits limits{Plan{.tokens_per_minute = 600}};
  auto [decision, held] = limits.ask(100);
  held.settle(1200, 0);
  CHECK(limits.use(1).retry_after == 61s);  // 600 tokens owed, and one: 10 tokens a second
}

TEST_CASE("headers say limit, what remains, and when all is there again") {
  Limits limits{Plan{.requests_per_minute = 2, .tokens_per_minute = 6000}};
  auto headers = header_map(limits.use(50));
  CHECK(headers.at("x-ratelimit-limit-requests") == "2");
  CHECK(headers.at("x-ratelimit-remaining-requests") == "1");
  CHECK(headers.at("x-ratelimit-reset-requests") == "30s");
  CHECK(headers.at("x-ratelimit-limit-tokens") == "6000");
  CHECK(headers.at("x-ratelimit-remaining-tokens") == "5950");
  CHECK(headers.at("x-ratelimit-reset-tokens") == "500ms");
  CHECK(!headers.contains("Retry-After"));
  limits.use(1);
  headers = header_map(limits.use(1));
  CHECK(headers.at("Retry-After") == "30");
  CHECK(headers.at("x-ratelimit-remaining-requests") == "0");
  CHECK(headers.at("x-ratelimit-reset-requests") == "1m0s");
}

TEST_CASE("a month's requests end in 429 until the next month of UTC begins") {
  Limits limits{Plan{.monthly_requests = 10}, Balance{.month_requests = 8}};
  CHECK(limits.use().allowed());
  auto [decision, running] = limits.ask();
  CHECK(decision.allowed());
  const Decision refused = limits.use();
  CHECK(refused.passed == Limit::monthly_requests);
  CHECK(refusal_of(refused).details().code == "insufficient_quota");
  CHECK(refused.retry_after == 6 * 24h + 12h);  // from noon of 24 November to 1 December
  running.settle(0, 0);
  CHECK(limits.use().passed == Limit::monthly_requests);
  limits.clock.advance(6 * 24h + 12h);
  for (int i = 0; i < 10; ++i) CHECK(limits.use().allowed());
  CHECK(limits.use().passed == Limit::monthly_requests);
}

TEST_CASE("a month's tokens count those of requests that still run") {
  Limits limits{Plan{.monthly_tokens = 1000}, Balance{.month_tokens = 500}};
  auto [decision, running] = limits.ask(400);
  CHECK(decision.allowed());
  CHECK(limits.use(101).passed == Limit::monthly_tokens);
  running.settle(40, 0);
  CHECK(limits.use(460).allowed());
  CHECK(limits.use(1).passed == Limit::monthly_tokens);
  CHECK(limits.limiter.balance(1).month_tokens == 1000);
}

TEST_CASE("prepaid credit ends in 402, and more credit is seen at once") {
  constexpr Picos kMicro = 1'000'000;
  Limits limits{Plan{.billing = Billing::prepaid, .prices = {1, 1, 1}},
                Balance{.spent = 30 * kMicro}};
  CHECK(limits.use(0, 60 * kMicro, 100).allowed());
  const Decision refused = limits.use(0, 11 * kMicro, 100);
  CHECK(refusal_of(refused).status() == 402);
  CHECK(refusal_of(refused).details().code == "insufficient_credit");
  CHECK(!refused.retry_after);
  CHECK(limits.use(0, 11 * kMicro, 101).allowed());
  CHECK(limits.limiter.balance(1).spent == 101 * kMicro);
}

TEST_CASE("pay as you go needs no credit") {
  Limits limits{Plan{.billing = Billing::pay_as_you_go, .prices = {1, 1, 1}}};
  CHECK(limits.use(10, 1'000'000'000).allowed());
}

TEST_CASE("accounts do not share limits") {
  Limits limits{Plan{.requests_per_minute = 1}};
  CHECK(limits.use().allowed());
  CHECK(limits.use().passed == Limit::requests_per_minute);
  CHECK(limits.limiter.enter({2, &limits.plan, 0, 0, 0}).allowed());
}

TEST_CASE("threads that ask together do not pass a limit together") {
  Limits limits{Plan{.monthly_tokens = 64 * 10, .requests_per_minute = 100}};
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        auto [decision, reservation] = limits.ask(10);
        if (!decision.allowed()) continue;
        reservation.settle(10, 0);
        ++allowed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(allowed == 64);
}

}  // namespace quern::serve
