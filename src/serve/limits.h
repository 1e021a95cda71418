#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "quern/serve/config.h"
#include "serve/clock.h"
#include "serve/plans.h"

namespace quern::serve {

/// A limit by the minute, and where an account stands with it.
struct RateLimit {
  std::int64_t limit = 0;
  std::int64_t remaining = 0;
  std::chrono::milliseconds reset{0};  ///< until all of it is there again
};

/// Which limit of its plan a request would pass.
enum class Limit : std::uint8_t {
  none,
  requests_per_minute,
  tokens_per_minute,
  tokens_at_once,  ///< more than are allowed in a minute: waiting does not help
  monthly_requests,
  monthly_tokens,
  credit,
  model,  ///< the plan does not have it
  plan,   ///< is no longer offered
};

/// Whether a request may be served.
struct Decision {
  bool allowed() const noexcept { return passed == Limit::none; }

  Limit passed = Limit::none;
  std::int64_t most = 0;   ///< what the plan allows, where that is a number
  std::int64_t asked = 0;  ///< of `tokens_at_once`
  std::string model = {};  ///< of `model`
  std::optional<std::chrono::seconds> retry_after = {};  ///< 1 s at least; none: waiting is no help
  std::optional<RateLimit> requests = {};                ///< where the plan has such a limit
  std::optional<RateLimit> tokens = {};
};

/// What an account has used.
struct Balance {
  std::int64_t month_requests = 0;
  std::int64_t month_tokens = 0;
  Picos spent = 0;  ///< ever
};

class Limiter;

/// What a request asks of its account's limits.
struct LimitRequest {
  std::int64_t account = 0;
  const Plan* plan = nullptr;
  std::int64_t credit = 0;  ///< micro-units ever granted to it
  std::int64_t tokens = 0;  ///< as estimated
  Picos cost = 0;           ///< as estimated
};

/// What an admitted request holds of its account's limits until it is settled; where it never is,
/// what was not delivered is given back. Must not outlive its Limiter.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation();

  /// What is used by now, and stays so where it is never settled.
  void deliver(std::int64_t tokens, Picos cost) noexcept;
  /// Replaces what was estimated by what was used. Only the first call does.
  void settle(std::int64_t tokens, Picos cost);

 private:
  friend class Limiter;
  Reservation(Limiter& limiter, const LimitRequest& request);

  Limiter* limiter_ = nullptr;
  std::int64_t account_ = 0;
  std::int64_t tokens_ = 0;
  Picos cost_ = 0;
  std::int64_t tokens_per_minute_ = 0;
  std::int64_t delivered_tokens_ = 0;
  Picos delivered_cost_ = 0;
};

/// Rates, quotas and credit of all accounts, in this process.
///
/// A rate is a bucket that holds a minute's worth and fills evenly; requests and tokens have one
/// each. The estimated tokens and cost of a request are taken at admission and put right when it
/// ends, so that requests which run beside each other cannot pass a limit together.
///
/// Safe to use from several threads at once.
class Limiter {
 public:
  /// `load` says what an account used before, at its first request; it is called under a lock.
  Limiter(Clock clock, std::function<Balance(std::int64_t account)> load);
  ~Limiter();

  /// Takes a request of the account's rate, before anything is done for it: it stays taken whatever
  /// becomes of the request. Refuses also where the month's requests or the credit are used up.
  /// Tokens and cost do not matter.
  Decision enter(const LimitRequest& request);

  /// Decides before a prompt is turned into tokens, of which it has `request.tokens` at least.
  /// Where it allows that, they are counted as work, of which an account may ask as much in a
  /// minute as it may use tokens: so that prompts which are refused in the end cost no more than
  /// others.
  Decision allow_work(const LimitRequest& request);

  /// Decides on a request that has entered, and where it allows the request reserves for it.
  std::pair<Decision, Reservation> admit(const LimitRequest& request);

  /// What an account has used, without what is reserved.
  Balance balance(std::int64_t account);

 private:
  friend class Reservation;
  struct Account;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
