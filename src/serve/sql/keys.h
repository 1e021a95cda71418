#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/ledger_store.h"
#include "serve/sql/database.h"

namespace quern::serve {

/// Milliseconds since 1970 in UTC, as the ledger holds times.
std::int64_t to_unix_ms(TimePoint time) noexcept;

/// The tables of accounts, keys and credit. Functions of their database; each change is one
/// transaction. Errors are those of Accounts.

IssuedKey create_key(Database& database, std::string_view name, std::string_view plan,
                     std::int64_t credit, TimePoint now);
std::vector<KeyInfo> list_keys(Database& database, TimePoint now);
void revoke_keys(Database& database, std::string_view key, TimePoint now);
IssuedKey rotate_key(Database& database, std::string_view key, std::chrono::seconds grace,
                     TimePoint now);
void add_credit(Database& database, const KeyFilter& filter, std::int64_t micros, TimePoint now);

/// Takes the id of a key, a whole key (which no message repeats) or the name of an account.
/// Throws: `not_found`.
KeyFilter find_key(Database& database, std::string_view key);

/// The plan of an account that exists.
std::string plan_of(Database& database, std::int64_t account);

/// Whose key this is, or nothing where it is none that works at `now`.
std::optional<Caller> authenticate(Database& database, std::string_view key, TimePoint now);

/// Plans of the accounts with a key that works at `now`.
std::vector<std::string> plans_in_use(Database& database, TimePoint now);

}  // namespace quern::serve
