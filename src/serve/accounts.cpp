#include "quern/serve/accounts.h"

#include <mutex>

#include "serve/error.h"
#include "serve/ledger_store.h"
#include "serve/plans.h"

namespace quern::serve {
namespace {

constexpr std::int64_t kMostCredit = 1'000'000'000'000'000;  // a billion units

TimePoint now() { return std::chrono::system_clock::now(); }

const Config& checked(const Config& config) {
  check(config);
  require(!config.ledger.empty(), "keys: the configuration names no \"ledger\" to keep them in");
  return config;
}

void add_up(UsageLine& total, const UsageLine& line) {
  total.calls += line.calls;
  total.prompt_tokens += line.prompt_tokens;
  total.completion_tokens += line.completion_tokens;
  total.amount += line.amount;
}

}  // namespace

struct Accounts::Impl {
  explicit Impl(const Config& config)
      : plans(checked(config).plans),
        currency(config.currency),
        store(open_ledger_store(config.ledger, config.currency)) {}

  void check_credit(std::string_view plan, std::int64_t micros) const {
    const auto found = plans.find(std::string(plan));
    require(found != plans.end(), "keys: no plan is called \"{}\"; there are: {}", plan,
            plan_names(plans));
    require(micros >= 0 && micros <= kMostCredit, "keys: credit is 0 to {}, not {}",
            format_amount(kMostCredit), format_amount(micros));
    require(micros == 0 || found->second.billing == Billing::prepaid,
            "keys: the plan \"{}\" is {}, so it takes no credit", plan,
            to_string(found->second.billing));
  }

  std::optional<KeyFilter> filter_of(std::string_view key) {
    return key.empty() ? std::nullopt : std::optional(store->find_key(key));
  }

  const std::map<std::string, Plan> plans;
  const std::string currency;
  std::mutex mutex;
  std::unique_ptr<LedgerStore> store;  ///< guarded by mutex
};

Accounts::Accounts(const Config& config) : impl_(std::make_unique<Impl>(config)) {}
Accounts::Accounts(Accounts&&) noexcept = default;
Accounts& Accounts::operator=(Accounts&&) noexcept = default;
Accounts::~Accounts() = default;

IssuedKey Accounts::create(std::string_view name, std::string_view plan, std::int64_t credit) {
  impl_->check_credit(plan, credit);
  const std::lock_guard lock(impl_->mutex);
  return impl_->store->create_key(name, plan, credit, now());
}

std::vector<KeyInfo> Accounts::list() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->store->list_keys(now());
}

void Accounts::revoke(std::string_view key) {
  const std::lock_guard lock(impl_->mutex);
  impl_->store->revoke_keys(key, now());
}

IssuedKey Accounts::rotate(std::string_view key, std::chrono::seconds grace) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->store->rotate_key(key, grace, now());
}

void Accounts::add_credit(std::string_view key, std::int64_t micros) {
  const std::lock_guard lock(impl_->mutex);
  const KeyFilter filter = impl_->store->find_key(key);
  require(micros > 0, "keys: credit to add is positive, not {}", format_amount(micros));
  impl_->check_credit(impl_->store->plan_of(filter.account), micros);
  impl_->store->add_credit(filter, micros, now());
}

Invoice Accounts::invoice(std::chrono::year_month month, std::string_view key) const {
  require(month.ok(), "usage: not a month");
  const std::lock_guard lock(impl_->mutex);
  Invoice invoice{month, impl_->currency, {}, {}};
  invoice.lines = impl_->store->usage(days_of(month), impl_->filter_of(key), /*by_day=*/false);
  for (const UsageLine& line : invoice.lines) add_up(invoice.total, line);
  return invoice;
}

std::vector<UsageLine> Accounts::daily(std::chrono::year_month month, std::string_view key) const {
  require(month.ok(), "usage: not a month");
  const std::lock_guard lock(impl_->mutex);
  return impl_->store->usage(days_of(month), impl_->filter_of(key), /*by_day=*/true);
}

}  // namespace quern::serve
