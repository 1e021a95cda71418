#include <algorithm>

#include "serve/ledger_store.h"
#include "serve/sql/keys.h"
#include "serve/sql/requests.h"
#include "serve/sql/schema.h"
#include "serve/sql/usage.h"

namespace quern::serve {
namespace {

constexpr std::int64_t kRemembered = 250;  // of a ledger in memory

/// A ledger in an SQLite database.
class SqlLedger : public LedgerStore {
 public:
  SqlLedger(const std::string& path, const std::string& currency, const std::string& memory_name)
      : database_(open_ledger(path, memory_name)), requests_(database_, currency) {
    check_currency(database_, currency);
  }

  const std::string& name() const noexcept override { return database_.name(); }

  std::vector<bool> apply(std::span<const LedgerChange> changes) override {
    const std::int64_t records =
        std::ranges::count(changes, LedgerChange::Kind::record, &LedgerChange::kind);
    database_.sync_commits(records > 0);
    Transaction transaction(database_);
    std::vector<bool> changed;
    changed.reserve(changes.size());
    for (const LedgerChange& change : changes) changed.push_back(requests_.apply(change));
    if (database_.is_in_memory()) forget_old(records);
    transaction.commit();
    return changed;
  }

  void wait_for_locks(std::chrono::milliseconds time) override { database_.wait_for_locks(time); }

  std::optional<Caller> authenticate(std::string_view key, TimePoint now) override {
    return serve::authenticate(database_, key, now);
  }
  std::vector<std::string> plans_in_use(TimePoint now) override {
    return serve::plans_in_use(database_, now);
  }
  Balance balance(std::int64_t account, TimePoint now) override {
    return read_balance(database_, account, now);
  }
  std::vector<UsageLine> usage(DayRange days, const std::optional<KeyFilter>& filter,
                               bool by_day) override {
    return usage_lines(database_, days, filter, by_day);
  }

  IssuedKey create_key(std::string_view name, std::string_view plan, std::int64_t credit,
                       TimePoint now) override {
    return serve::create_key(database_, name, plan, credit, now);
  }
  std::vector<KeyInfo> list_keys(TimePoint now) override {
    return serve::list_keys(database_, now);
  }
  void revoke_keys(std::string_view key, TimePoint now) override {
    serve::revoke_keys(database_, key, now);
  }
  IssuedKey rotate_key(std::string_view key, std::chrono::seconds grace, TimePoint now) override {
    return serve::rotate_key(database_, key, grace, now);
  }
  void add_credit(const KeyFilter& filter, std::int64_t micros, TimePoint now) override {
    serve::add_credit(database_, filter, micros, now);
  }
  KeyFilter find_key(std::string_view key) override { return serve::find_key(database_, key); }
  std::string plan_of(std::int64_t account) override { return serve::plan_of(database_, account); }

 private:
  void forget_old(std::int64_t records) {
    not_looked_at_ += records;
    if (not_looked_at_ < kRemembered) return;
    not_looked_at_ = 0;
    requests_.forget_old(kRemembered);
  }

  Database database_;
  Requests requests_;
  std::int64_t not_looked_at_ = 0;
};

}  // namespace

std::unique_ptr<LedgerStore> open_ledger_store(const std::string& path, const std::string& currency,
                                               const std::string& memory_name) {
  return std::make_unique<SqlLedger>(path, currency, memory_name);
}

}  // namespace quern::serve
