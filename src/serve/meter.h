#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quern/serve/accounts.h"
#include "serve/clock.h"
#include "serve/keys.h"
#include "serve/ledger.h"
#include "serve/limits.h"
#include "serve/usage.h"

namespace quern::serve {

/// What a request is about to take.
struct Demand {
  std::string model = {};
  std::int64_t prompt_tokens = 0;      ///< as counted
  std::int64_t completion_tokens = 0;  ///< at most (max_tokens times n)
};

/// How a request ended.
struct Outcome {
  std::string id = {};  ///< made by the server, never by the client: an id is billed once
  std::string finish_reason = {};  ///< "stop", "length", "cancelled"
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::chrono::microseconds latency{0};
};

/// A request's answer from the meter, and where it is allowed, what is reserved for it: given back
/// when this is destroyed, unless Meter::finish settled it. Must not outlive its Meter.
class Admission {
 public:
  /// Whether to serve it; else what `decision` says is to be answered.
  bool allowed() const noexcept { return decision_.status == 200; }
  const Decision& decision() const noexcept { return decision_; }
  int priority() const noexcept { return priority_; }

 private:
  friend class Meter;
  Decision decision_;
  int priority_ = 0;
  Caller caller_;
  std::string model_ = {};
  Prices prices_;
  Reservation reservation_;
};

/// What the routes of a service ask of its business side, in this order:
///
///     authenticate (401 where it gives nothing) -> admit -> serve -> finish -> Ticket::wait -> end
///     of the reply.
///
/// A request that fails by the server's fault is not finished: its Admission is dropped, nothing is
/// billed. One whose client leaves is finished with what was generated.
///
/// Safe to use from several threads at once.
class Meter {
 public:
  /// Opens the configuration's ledger, or one in memory. Throws: as Accounts, and
  /// `invalid_argument` where an account with a working key is on a plan that the configuration
  /// lacks.
  explicit Meter(const Config& config, Clock clock = {});
  ~Meter();

  /// Whether each request needs a key: there are plans. Where not, callers are `Caller{}`.
  bool asks_for_keys() const noexcept;

  /// Whose key this is; nothing where it is none, expired or revoked. `key` is the token alone,
  /// without "Bearer ". Takes effect of changes by other processes at once. Takes ~20 us.
  std::optional<Caller> authenticate(std::string_view key) const;

  /// Whether the plan of a caller lets it use a model: for /v1/models.
  bool may_use(const Caller& caller, std::string_view model) const;

  /// Checks model, rate, quota and credit, and reserves.
  Admission admit(const Caller& caller, const Demand& demand);

  /// Settles what was reserved and records the request. Wait for the ticket before ending the
  /// reply.
  Ticket finish(Admission admission, const Outcome& outcome);

  /// Lines of a caller's own usage by day of a month, for /v1/usage; of all where no key is asked
  /// for.
  std::vector<UsageLine> daily(const Caller& caller, std::chrono::year_month month) const;

  /// What a caller has used this month and spent of its credit, for /v1/usage.
  Balance balance(const Caller& caller) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
