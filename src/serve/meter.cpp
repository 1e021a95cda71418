#include "serve/meter.h"

#include <fmt/core.h>

#include <atomic>
#include <mutex>

#include "serve/error.h"
#include "serve/ledger_lock.h"
#include "serve/plans.h"

namespace quern::serve {
namespace {

const Plan kNoPlan{};  // of callers where no key is asked for

const Config& valid(const Config& config) {
  check(config);
  return config;
}

std::string next_memory_name() {
  static std::atomic<int> next{0};
  return fmt::format("quern-ledger-{}", next++);
}

}  // namespace

struct Meter::Impl {
  Impl(const Config& config, const Clock& clock_)
      : plans(valid(config).plans),
        clock(clock_),
        memory_name(next_memory_name()),
        ledger_lock(config.ledger),
        ledger(config.ledger, config.currency, memory_name),
        store(open_ledger_store(config.ledger, config.currency, memory_name)),
        limiter(clock, [this](std::int64_t account) { return load(account); }) {
    ledger.settle_open_requests();
    if (plans.empty()) return;
    for (const std::string& plan : store->plans_in_use(clock.now())) {
      require(
          plans.contains(plan),
          "ledger \"{}\" has keys on the plan \"{}\", which the configuration lacks; it has: {}",
          config.ledger, plan, plan_names(plans));
    }
  }

  Balance load(std::int64_t account) {
    const std::lock_guard lock(mutex);
    return store->balance(account, clock.now());
  }

  /// Nothing for a plan that is no more.
  const Plan* plan_of(const Caller& caller) const {
    if (plans.empty()) return &kNoPlan;
    const auto found = plans.find(caller.plan);
    return found == plans.end() ? nullptr : &found->second;
  }

  LimitRequest limit_request(const Caller& caller, const Plan& plan, const Demand& demand) const {
    const Quantity most{1, demand.prompt_tokens, demand.completion_tokens};
    return {.account = caller.account,
            .plan = &plan,
            .credit = caller.credit,
            .tokens = demand.prompt_tokens + demand.completion_tokens,
            .cost = cost(prices_of(plan, demand.model), most)};
  }

  const std::map<std::string, Plan> plans;
  const Clock clock;
  const std::string memory_name;
  LedgerLock ledger_lock;
  Ledger ledger;
  std::mutex mutex;
  std::unique_ptr<LedgerStore> store;  ///< for reading; guarded by mutex
  Limiter limiter;
};

Meter::Meter(const Config& config, Clock clock) : impl_(std::make_unique<Impl>(config, clock)) {}
Meter::~Meter() = default;

bool Meter::asks_for_keys() const noexcept { return !impl_->plans.empty(); }

std::optional<Caller> Meter::authenticate(std::string_view key) const {
  const TimePoint now = impl_->clock.now();
  const std::lock_guard lock(impl_->mutex);
  return impl_->store->authenticate(key, now);
}

bool Meter::may_use(const Caller& caller, std::string_view model) const {
  const Plan* plan = impl_->plan_of(caller);
  return plan != nullptr && serve::may_use(*plan, model);
}

Decision Meter::enter(const Caller& caller) {
  const Plan* plan = impl_->plan_of(caller);
  if (plan == nullptr) return {.passed = Limit::plan};
  return impl_->limiter.enter({.account = caller.account, .plan = plan, .credit = caller.credit});
}

Decision Meter::allow_work(const Caller& caller, const Demand& demand) {
  const Plan* plan = impl_->plan_of(caller);
  if (plan == nullptr) return {.passed = Limit::plan};
  return impl_->limiter.allow_work(impl_->limit_request(caller, *plan, demand));
}

Admission Meter::admit(const Caller& caller, const Demand& demand) {
  require(demand.prompt_tokens >= 0 && demand.completion_tokens >= 0,
          "meter: a demand with negative numbers");
  Admission admission;
  const Plan* plan = impl_->plan_of(caller);
  if (plan == nullptr) {
    admission.decision_ = {.passed = Limit::plan};
    return admission;
  }
  if (!serve::may_use(*plan, demand.model)) {
    admission.decision_ = {.passed = Limit::model, .model = demand.model};
    return admission;
  }
  admission.caller_ = caller;
  admission.model_ = demand.model;
  admission.prices_ = prices_of(*plan, demand.model);
  admission.priority_ = plan->priority;
  admission.prompt_tokens_ = demand.prompt_tokens;
  std::tie(admission.decision_, admission.reservation_) =
      impl_->limiter.admit(impl_->limit_request(caller, *plan, demand));
  if (!admission.allowed()) return admission;
  if (demand.id.empty()) {
    impl_->ledger.require_writable();
    return admission;
  }
  admission.open_ = impl_->ledger.open({.id = demand.id,
                                        .key = caller.key,
                                        .account = caller.account,
                                        .model = demand.model,
                                        .prompt_tokens = demand.prompt_tokens,
                                        .completion_tokens = demand.completion_tokens,
                                        .prices = admission.prices_,
                                        .finished = impl_->clock.now()});
  return admission;
}

void Meter::deliver(Admission& admission, std::int64_t completion_tokens) {
  admission.open_.deliver(completion_tokens, impl_->clock.now());
  const Quantity used{1, admission.prompt_tokens_, completion_tokens};
  admission.reservation_.deliver(admission.prompt_tokens_ + completion_tokens,
                                 cost(admission.prices_, used));
}

Ticket Meter::finish(Admission admission, const Outcome& outcome) {
  require(admission.allowed(), "meter: a request that was refused cannot finish");
  Ticket ticket = impl_->ledger.record({.id = outcome.id,
                                        .key = admission.caller_.key,
                                        .account = admission.caller_.account,
                                        .model = admission.model_,
                                        .prompt_tokens = outcome.prompt_tokens,
                                        .completion_tokens = outcome.completion_tokens,
                                        .latency = outcome.latency,
                                        .finish_reason = outcome.finish_reason,
                                        .prices = admission.prices_,
                                        .finished = impl_->clock.now()});
  admission.open_.close();
  const Quantity used{1, outcome.prompt_tokens, outcome.completion_tokens};
  admission.reservation_.settle(outcome.prompt_tokens + outcome.completion_tokens,
                                cost(admission.prices_, used));
  return ticket;
}

std::vector<UsageLine> Meter::daily(const Caller& caller, std::chrono::year_month month) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->store->usage(days_of(month), KeyFilter{caller.account, ""}, /*by_day=*/true);
}

Balance Meter::balance(const Caller& caller) const {
  return impl_->limiter.balance(caller.account);
}

std::string Meter::failure() { return impl_->ledger.failure(); }
void Meter::announce(std::string_view address) const { impl_->ledger_lock.announce(address); }
void Meter::leave() { impl_->ledger_lock.release(); }

}  // namespace quern::serve
