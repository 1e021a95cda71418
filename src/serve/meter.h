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
#include "serve/ledger.h"
#include "serve/limits.h"

namespace quern::serve {

/// What a request is about to take.
struct Demand {
  std::string model = {};
  std::int64_t prompt_tokens = 0;      ///< as counted
  std::int64_t completion_tokens = 0;  ///< at most (max_tokens times n)
  std::string id = {};  ///< of a stream, as in Outcome; empty: its answer waits for its Ticket
};

/// How a request ended.
struct Outcome {
  std::string id = {};  ///< made by the server, never by the client: an id is billed once
  std::string finish_reason = {};  ///< "stop", "length", "cancelled"
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::chrono::microseconds latency{0};
};

/// A request's answer from the meter, and where it is allowed, what is reserved for it in memory
/// and in the ledger. When this is destroyed and Meter::finish did not settle it, what was
/// delivered is billed and the rest given back. Must not outlive its Meter.
class Admission {
 public:
  /// Whether to serve it; else `decision` says why not.
  bool allowed() const noexcept { return decision_.allowed(); }
  const Decision& decision() const noexcept { return decision_; }
  int priority() const noexcept { return priority_; }

 private:
  friend class Meter;
  Decision decision_;
  int priority_ = 0;
  Caller caller_;
  std::string model_ = {};
  Prices prices_;
  std::int64_t prompt_tokens_ = 0;
  Reservation reservation_;
  OpenRequest open_;
};

/// What the routes of a service ask of its business side, in this order:
///
///     authenticate (401 where it gives nothing) -> enter -> read the request -> allow_work ->
///     count its tokens -> admit -> serve, with `deliver` before each part of a stream -> finish ->
///     Ticket::wait -> end of the reply.
///
/// A request that fails by the server's fault is not finished: its Admission is dropped, and only
/// what was delivered is billed. One whose client leaves is finished with what was generated.
///
/// Quotas are counted in memory, so a ledger has one Meter at a time (LedgerLock).
///
/// Safe to use from several threads at once.
class Meter {
 public:
  /// Opens the configuration's ledger, or one in memory. Throws: as Accounts, and
  /// `invalid_argument` where an account with a working key is on a plan that the configuration
  /// lacks; `busy` where another Meter has the ledger, of this process or another. Requests that
  /// were open when the last one was killed are settled: see OpenRequest.
  explicit Meter(const Config& config, Clock clock = {});
  ~Meter();

  /// Whether each request needs a key: there are plans. Where not, callers are `Caller{}`.
  bool asks_for_keys() const noexcept;

  /// Whose key this is; nothing where it is none, expired or revoked. `key` is the token alone,
  /// without "Bearer ". Takes effect of changes by other processes at once. Takes ~20 us.
  std::optional<Caller> authenticate(std::string_view key) const;

  /// Whether the plan of a caller lets it use a model: for /v1/models.
  bool may_use(const Caller& caller, std::string_view model) const;

  /// Takes a request of a caller's rate: before its body is read.
  Decision enter(const Caller& caller);

  /// Checks a request with a prompt of `demand.prompt_tokens` at least, before they are counted.
  Decision allow_work(const Caller& caller, const Demand& demand);

  /// Checks model, rate of tokens, quota and credit, and reserves. The ledger knows of a stream
  /// when this returns. Throws: LedgerError where it cannot be written.
  Admission admit(const Caller& caller, const Demand& demand);

  /// Has the ledger know that so many tokens of an answer are delivered, before they are. Throws:
  /// LedgerError, and then they must not be.
  void deliver(Admission& admission, std::int64_t completion_tokens);

  /// Settles what was reserved and records the request. Wait for the ticket before ending the
  /// reply.
  Ticket finish(Admission admission, const Outcome& outcome);

  /// Lines of a caller's own usage by day of a month, for /v1/usage; of all where no key is asked
  /// for.
  std::vector<UsageLine> daily(const Caller& caller, std::chrono::year_month month) const;

  /// What a caller has used this month and spent of its credit, for /v1/usage.
  Balance balance(const Caller& caller) const;

  /// Why the ledger cannot be written at present; empty where it can.
  std::string failure();

  /// Says where the service is found, for those that want its ledger.
  void announce(std::string_view address) const;
  /// Lets another Meter have the ledger: no request runs or will.
  void leave();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
