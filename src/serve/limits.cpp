#include "serve/limits.h"

#include <mutex>
#include <unordered_map>

#include "serve/error.h"
#include "serve/months.h"
#include "serve/rate_bucket.h"

namespace quern::serve {
namespace {

template <class Duration>
std::chrono::seconds seconds_up(Duration duration) {
  return std::max(std::chrono::seconds{1}, std::chrono::ceil<std::chrono::seconds>(duration));
}

RateLimit rate_of(const RateBucket& bucket, std::int64_t limit, RateBucket::Time now) {
  return {limit, bucket.remaining(limit, now),
          std::chrono::ceil<std::chrono::milliseconds>(bucket.until_full(now))};
}

}  // namespace

struct Limiter::Account {
  RateBucket requests;
  RateBucket tokens;
  RateBucket work;                ///< in tokens, with the limit of `tokens`
  std::chrono::year_month month;  ///< that `used` counts
  Balance used;
  // Held by requests that run.
  std::int64_t reserved_requests = 0;
  std::int64_t reserved_tokens = 0;
  Picos reserved_cost = 0;
};

struct Limiter::Impl {
  /// An account, with its counts of this month.
  Account& account(std::int64_t id) {
    const TimePoint now = clock.now();
    const auto found = accounts.find(id);
    if (found == accounts.end()) {
      Account loaded;
      loaded.used = load(id);
      loaded.month = month_of(now);
      return accounts.emplace(id, loaded).first->second;
    }
    Account& account = found->second;
    if (month_of(now) > account.month) {
      account.month = month_of(now);
      account.used.month_requests = 0;
      account.used.month_tokens = 0;
    }
    return account;
  }

  std::chrono::seconds until_next_month() const {
    const TimePoint now = clock.now();
    const std::chrono::sys_days next{(month_of(now) + std::chrono::months{1}) /
                                     std::chrono::day{1}};
    return seconds_up(next - now);
  }

  /// Why an account's month or credit does not allow a request; 200 where it does.
  Decision check_account(const Account& account, const LimitRequest& request) const {
    const Plan& plan = *request.plan;
    const std::int64_t requests = account.used.month_requests + account.reserved_requests;
    const std::int64_t tokens = account.used.month_tokens + account.reserved_tokens;
    const auto quota = [&](Limit limit, std::int64_t most) {
      return Decision{.passed = limit, .most = most, .retry_after = until_next_month()};
    };
    if (plan.monthly_requests > 0 && requests >= plan.monthly_requests) {
      return quota(Limit::monthly_requests, plan.monthly_requests);
    }
    if (plan.monthly_tokens > 0 && tokens + request.tokens > plan.monthly_tokens) {
      return quota(Limit::monthly_tokens, plan.monthly_tokens);
    }
    const Picos spent = account.used.spent + account.reserved_cost + request.cost;
    const bool covered =
        plan.billing != Billing::prepaid || spent <= Picos{request.credit} * kMicros;
    return {.passed = covered ? Limit::none : Limit::credit};
  }

  static Decision too_fast(Limit limit, std::int64_t most, std::chrono::nanoseconds wait) {
    if (wait.count() <= 0) return {};
    return {.passed = limit, .most = most, .retry_after = seconds_up(wait)};
  }

  Decision check_requests(const RateBucket& bucket, std::int64_t most) const {
    if (most == 0) return {};
    return too_fast(Limit::requests_per_minute, most, bucket.wait(most, 1, clock.steady()));
  }

  Decision check_tokens(const RateBucket& bucket, std::int64_t most, std::int64_t tokens) const {
    if (most == 0) return {};
    if (tokens > most) return {.passed = Limit::tokens_at_once, .most = most, .asked = tokens};
    return too_fast(Limit::tokens_per_minute, most, bucket.wait(most, tokens, clock.steady()));
  }

  /// A decision with the rates as they are now.
  Decision with_rates(Decision decision, const Account& account, const Plan& plan) const {
    const RateBucket::Time now = clock.steady();
    if (const auto limit = plan.requests_per_minute) {
      decision.requests = rate_of(account.requests, limit, now);
    }
    if (const auto limit = plan.tokens_per_minute) {
      decision.tokens = rate_of(account.tokens, limit, now);
    }
    return decision;
  }

  void take(Account& account, const LimitRequest& request) {
    if (const auto limit = request.plan->tokens_per_minute) {
      account.tokens.take(limit, request.tokens, clock.steady());
    }
    account.reserved_requests += 1;
    account.reserved_tokens += request.tokens;
    account.reserved_cost += request.cost;
  }

  /// Ends what `take` began; `used` tokens stay taken.
  Account& release(std::int64_t id, std::int64_t tokens, Picos cost, std::int64_t tokens_per_minute,
                   std::int64_t used) {
    Account& account = this->account(id);
    if (tokens_per_minute > 0) {
      account.tokens.take(tokens_per_minute, used - tokens, clock.steady());
    }
    account.reserved_requests -= 1;
    account.reserved_tokens -= tokens;
    account.reserved_cost -= cost;
    return account;
  }

  const Clock clock;
  const std::function<Balance(std::int64_t)> load;
  std::mutex mutex;
  std::unordered_map<std::int64_t, Account> accounts;  ///< guarded by mutex; nodes stay in place
};

Reservation::Reservation(Limiter& limiter, const LimitRequest& request)
    : limiter_(&limiter),
      account_(request.account),
      tokens_(request.tokens),
      cost_(request.cost),
      tokens_per_minute_(request.plan->tokens_per_minute) {}

Reservation::Reservation(Reservation&& other) noexcept { *this = std::move(other); }

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  std::swap(limiter_, other.limiter_);
  std::swap(account_, other.account_);
  std::swap(tokens_, other.tokens_);
  std::swap(cost_, other.cost_);
  std::swap(tokens_per_minute_, other.tokens_per_minute_);
  std::swap(delivered_tokens_, other.delivered_tokens_);
  std::swap(delivered_cost_, other.delivered_cost_);
  return *this;
}

Reservation::~Reservation() {
  if (limiter_ == nullptr) return;
  if (delivered_tokens_ > 0) {
    settle(delivered_tokens_, delivered_cost_);
    return;
  }
  const std::lock_guard lock(limiter_->impl_->mutex);
  limiter_->impl_->release(account_, tokens_, cost_, tokens_per_minute_, 0);
}

void Reservation::deliver(std::int64_t tokens, Picos cost) noexcept {
  delivered_tokens_ = tokens;
  delivered_cost_ = cost;
}

void Reservation::settle(std::int64_t tokens, Picos cost) {
  if (limiter_ == nullptr) return;
  Limiter::Impl& impl = *std::exchange(limiter_, nullptr)->impl_;
  const std::lock_guard lock(impl.mutex);
  Limiter::Account& account = impl.release(account_, tokens_, cost_, tokens_per_minute_, tokens);
  account.used.month_requests += 1;
  account.used.month_tokens += tokens;
  account.used.spent += cost;
}

Limiter::Limiter(Clock clock, std::function<Balance(std::int64_t account)> load)
    : impl_(new Impl{std::move(clock), std::move(load), {}, {}}) {}

Limiter::~Limiter() = default;

Decision Limiter::enter(const LimitRequest& request) {
  const Plan& plan = *request.plan;
  const std::lock_guard lock(impl_->mutex);
  Account& account = impl_->account(request.account);
  Decision decision = impl_->check_account(
      account, {.account = request.account, .plan = &plan, .credit = request.credit});
  if (decision.allowed()) {
    decision = impl_->check_requests(account.requests, plan.requests_per_minute);
  }
  if (decision.allowed() && plan.requests_per_minute > 0) {
    account.requests.take(plan.requests_per_minute, 1, impl_->clock.steady());
  }
  return impl_->with_rates(std::move(decision), account, plan);
}

Decision Limiter::allow_work(const LimitRequest& request) {
  const std::int64_t limit = request.plan->tokens_per_minute;
  const std::lock_guard lock(impl_->mutex);
  Account& account = impl_->account(request.account);
  Decision decision = impl_->check_account(account, request);
  for (const RateBucket* bucket : {&account.tokens, &account.work}) {
    if (decision.allowed()) decision = impl_->check_tokens(*bucket, limit, request.tokens);
  }
  if (decision.allowed() && limit > 0) {
    account.work.take(limit, request.tokens, impl_->clock.steady());
  }
  return impl_->with_rates(std::move(decision), account, *request.plan);
}

std::pair<Decision, Reservation> Limiter::admit(const LimitRequest& request) {
  const Plan& plan = *request.plan;
  const std::lock_guard lock(impl_->mutex);
  Account& account = impl_->account(request.account);
  Decision decision = impl_->check_account(account, request);
  if (decision.allowed()) {
    decision = impl_->check_tokens(account.tokens, plan.tokens_per_minute, request.tokens);
  }
  Reservation reservation;
  if (decision.allowed()) {
    impl_->take(account, request);
    reservation = {*this, request};
  }
  return {impl_->with_rates(std::move(decision), account, plan), std::move(reservation)};
}

Balance Limiter::balance(std::int64_t account) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->account(account).used;
}

}  // namespace quern::serve
