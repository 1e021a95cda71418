#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/error.h"
#include "quern/serve/accounts.h"
#include "serve/limits.h"
#include "serve/months.h"

namespace quern::serve {

/// What a ledger cannot do, or not now: not the fault of who asked.
class LedgerError : public Error {
 public:
  /// `reason` is as "cannot be written: database is locked", of the ledger that has this name.
  LedgerError(ErrorCode code, const std::string& name, std::string reason);

  /// What is wrong, without the name, which is for the host alone.
  const std::string& reason() const noexcept { return reason_; }

 private:
  std::string reason_;
};

/// Whose key a request came with.
struct Caller {
  std::string key = {};      ///< its public id; empty where no key is asked for
  std::int64_t account = 0;  ///< also the tenant within which prefixes are shared; 0: none
  std::string name = {};     ///< of the account
  std::string plan = {};
  std::int64_t credit = 0;  ///< micro-units ever granted
};

/// What the names that people use stand for.
struct KeyFilter {
  std::int64_t account = 0;
  std::string key = {};  ///< empty: all keys of the account
};

/// One finished request, as it is billed. Holds nothing of prompt or answer.
struct LedgerEntry {
  std::string id = {};       ///< an entry with an id that is there already is none
  std::string key = {};      ///< public id; empty: none was asked for
  std::int64_t account = 0;  ///< 0: none
  std::string model = {};
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::chrono::microseconds latency{0};
  std::string finish_reason = {};  ///< "interrupted": see OpenRequest
  Prices prices = {};              ///< that apply
  std::chrono::system_clock::time_point finished = {};
};

/// What is written of requests.
struct LedgerChange {
  enum class Kind : std::uint8_t {
    open,     ///< a row for a request that begins, `finished` being when
    deliver,  ///< of `id`: completion_tokens, and `finished` as the time
    record,   ///< a finished request, whose open row goes
    settle,   ///< of `id`, or of all where that is empty: bills what was delivered, if anything
    probe,    ///< nothing, but as if something were
  };
  Kind kind;
  LedgerEntry entry;
};

/// Where keys, credit and usage are kept: what the rest of the service knows of it. Not
/// thread-safe: one for each thread, or a lock around it; several of one ledger see each other's
/// changes, of other processes too.
///
/// All throw LedgerError where it cannot be read or written; what Accounts says is theirs too.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;

  /// How messages name it.
  virtual const std::string& name() const noexcept = 0;

  /// Applies changes in their order, all or none, and says of each whether it changed something:
  /// not where an id was there before. Finished requests are on disk when this returns.
  virtual std::vector<bool> apply(std::span<const LedgerChange> changes) = 0;
  /// How long locks of other processes are waited for; 5 s where nothing else was said.
  virtual void wait_for_locks(std::chrono::milliseconds time) = 0;

  /// Whose key this is, or nothing where it is none that works at `now`.
  virtual std::optional<Caller> authenticate(std::string_view key, TimePoint now) = 0;
  /// Plans of the accounts with a key that works at `now`.
  virtual std::vector<std::string> plans_in_use(TimePoint now) = 0;
  /// What an account has used in the month of `now`, and spent ever.
  virtual Balance balance(std::int64_t account, TimePoint now) = 0;
  /// Usage in some days, added up by account, model and price, and where `by_day` by day: of all,
  /// or of what a filter names.
  virtual std::vector<UsageLine> usage(DayRange days, const std::optional<KeyFilter>& filter,
                                       bool by_day) = 0;

  virtual IssuedKey create_key(std::string_view name, std::string_view plan, std::int64_t credit,
                               TimePoint now) = 0;
  virtual std::vector<KeyInfo> list_keys(TimePoint now) = 0;
  virtual void revoke_keys(std::string_view key, TimePoint now) = 0;
  virtual IssuedKey rotate_key(std::string_view key, std::chrono::seconds grace, TimePoint now) = 0;
  virtual void add_credit(const KeyFilter& filter, std::int64_t micros, TimePoint now) = 0;
  /// Takes the id of a key, a whole key (which no message repeats) or the name of an account.
  /// Throws: `not_found`.
  virtual KeyFilter find_key(std::string_view key) = 0;
  /// The plan of an account that exists.
  virtual std::string plan_of(std::int64_t account) = 0;
};

/// Opens a ledger, and makes it where there is none: the file at `path`, or where that is empty one
/// in memory, which `memory_name` tells from others and which of finished requests keeps the last
/// 250 to 500. Throws: `corrupt_file` for what is no ledger, `unsupported` for one of a later
/// version, `invalid_argument` where it holds amounts in another currency.
std::unique_ptr<LedgerStore> open_ledger_store(const std::string& path, const std::string& currency,
                                               const std::string& memory_name = "ledger");

}  // namespace quern::serve
