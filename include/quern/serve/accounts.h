#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/serve/config.h"

namespace quern::serve {

using Seconds = std::chrono::sys_seconds;  ///< a time in UTC

enum class KeyState { active, expiring, expired, revoked };
QUERN_API std::string_view to_string(KeyState state) noexcept;

/// What is known of a key: never the key itself.
struct KeyInfo {
  std::string id = {};    ///< its public beginning, "qk_7f3k9m2p4t"
  std::string name = {};  ///< of its account
  std::string plan = {};
  KeyState state = KeyState::active;
  Seconds created = {};
  std::optional<Seconds> expires = {};    ///< where it was rotated with a time of grace
  std::optional<Seconds> last_used = {};  ///< when its last request ended
  std::int64_t credit = 0;                ///< micro-units ever granted to its account
};

/// A key, once: only a salted hash of it is stored.
struct IssuedKey {
  std::string key = {};  ///< "qk_" + id + "_" + 32 random bytes in base32
  KeyInfo info;
};

/// Usage of an account with a model at a price. A line of an invoice, or of one day of it.
struct UsageLine {
  std::string name = {};  ///< of the account
  std::string model = {};
  std::string day = {};  ///< "2026-11-24"; empty on an invoice
  Prices prices = {};    ///< that applied when the requests were made
  std::int64_t calls = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t amount = 0;  ///< micro-units, rounded once, half up
};

/// What a month comes to.
struct Invoice {
  std::chrono::year_month month = {};
  std::string currency = {};
  std::vector<UsageLine> lines = {};  ///< by account, then model
  UsageLine total = {};               ///< sums of the lines; the amount is that of their amounts
};

/// Keys, credit and usage, as the operator of a service manages them: the ledger that a server may
/// be writing meanwhile, which sees each change at its next request.
///
/// Safe to use from several threads and processes at once.
class QUERN_API Accounts {
 public:
  /// Opens the configuration's ledger, and makes it where there is none. Throws: `corrupt_file` for
  /// what is no ledger, `unsupported` for one of a later version, `invalid_argument` where the
  /// configuration names none, or bills in another currency than the ledger did.
  explicit Accounts(const Config& config);
  Accounts(Accounts&&) noexcept;
  Accounts& operator=(Accounts&&) noexcept;
  ~Accounts();

  /// Opens an account with its first key. `credit` is in micro-units. Throws: `invalid_argument`
  /// for a plan that the configuration lacks, a name that is taken, empty, longer than 64 bytes, no
  /// UTF-8 or with control characters, credit on a plan that is not prepaid.
  IssuedKey create(std::string_view name, std::string_view plan, std::int64_t credit = 0);

  /// All keys, by account and age.
  std::vector<KeyInfo> list() const;

  /// Ends a key (by id), or all of an account (by name), at once. Throws: `not_found`.
  void revoke(std::string_view key);

  /// Gives the account (by its name, or the id of a key that still works) another key. What it had
  /// before ends after `grace`; at once by default. Throws: `not_found`.
  IssuedKey rotate(std::string_view key, std::chrono::seconds grace = std::chrono::seconds{0});

  /// Adds micro-units to what a prepaid account may spend. Throws: `not_found`, `invalid_argument`
  /// unless positive and the plan is prepaid.
  void add_credit(std::string_view key, std::int64_t micros);

  /// The lines of a month of UTC: of all accounts, or of one (by name) or of one key (by id).
  /// Throws: `not_found` for a key that never was.
  Invoice invoice(std::chrono::year_month month, std::string_view key = {}) const;

  /// The same of each day of a month, in order of days.
  std::vector<UsageLine> daily(std::chrono::year_month month, std::string_view key = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads "2026-11". Throws: `invalid_argument`.
QUERN_API std::chrono::year_month parse_month(std::string_view text);

}  // namespace quern::serve
