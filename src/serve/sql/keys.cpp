#include "serve/sql/keys.h"

#include <algorithm>

#include "serve/error.h"
#include "serve/secret.h"

namespace quern::serve {
namespace {

constexpr std::size_t kLongestKeyName = 64;
constexpr std::chrono::seconds kLongestGrace = std::chrono::days(366);
constexpr std::string_view kIdPrefix = "qk_";

Seconds to_seconds(std::int64_t unix_ms) {
  return Seconds(std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(unix_ms)));
}

std::optional<Seconds> to_seconds(std::optional<std::int64_t> unix_ms) {
  return unix_ms ? std::optional(to_seconds(*unix_ms)) : std::nullopt;
}

/// UTF-8 as RFC 3629 has it.
bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || size > text.size() - i) return false;
    for (std::size_t k = 1; k < size; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    const unsigned second = size > 2 ? byte(i + 1) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += size;
  }
  return true;
}

void check_name(std::string_view name) {
  const bool printable = std::ranges::none_of(
      name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  require(!name.empty() && name.size() <= kLongestKeyName && printable && is_utf8(name),
          "keys: a name has 1 to {} bytes of UTF-8 and no control characters", kLongestKeyName);
  require(!name.starts_with(kIdPrefix), "keys: a name may not begin with \"{}\", as ids do",
          kIdPrefix);
}

KeyInfo read_info(const Row& row, std::int64_t now) {
  KeyInfo info;
  info.id = row.text(0);
  info.name = row.text(1);
  info.plan = row.text(2);
  info.created = to_seconds(row.integer(3));
  const auto expires = row.find_integer(4);
  info.expires = to_seconds(expires);
  info.state = row.find_integer(5) ? KeyState::revoked
               : !expires          ? KeyState::active
               : *expires > now    ? KeyState::expiring
                                   : KeyState::expired;
  info.last_used = to_seconds(row.find_integer(6));
  info.credit = row.integer(7);
  return info;
}

/// One key by id, or all where it is empty.
std::vector<KeyInfo> read_keys(Database& database, std::string_view id, std::int64_t now) {
  std::vector<KeyInfo> keys;
  database.query(
      "SELECT k.id, a.name, a.plan, k.created, k.expires, k.revoked, "
      "  (SELECT max(finished) FROM requests WHERE key = k.id), "
      "  (SELECT coalesce(sum(micros), 0) FROM credits WHERE account = a.id) "
      "FROM keys k JOIN accounts a ON a.id = k.account WHERE ? IN ('', k.id) "
      "ORDER BY a.name, k.created, k.id",
      {id}, [&](const Row& row) { keys.push_back(read_info(row, now)); });
  return keys;
}

/// Adds a key to an account.
IssuedKey issue(Database& database, std::int64_t account, std::int64_t now) {
  const std::string key = make_key();
  const std::string_view id = id_of(key);
  const Salt salt = make_salt();
  const Digest digest = hash(salt, key);
  database.run("INSERT INTO keys (id, account, salt, hash, created) VALUES (?, ?, ?, ?, ?)",
               {id, account, Bytes(salt), Bytes(digest), now});
  return {key, read_keys(database, id, now).at(0)};
}

}  // namespace

std::string_view to_string(KeyState state) noexcept {
  switch (state) {
    case KeyState::active:
      return "active";
    case KeyState::expiring:
      return "expiring";
    case KeyState::expired:
      return "expired";
    case KeyState::revoked:
      return "revoked";
  }
  return "unknown";
}

std::int64_t to_unix_ms(TimePoint time) noexcept {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

IssuedKey create_key(Database& database, std::string_view name, std::string_view plan,
                     std::int64_t credit, TimePoint now) {
  check_name(name);
  Transaction transaction(database);
  const std::int64_t added = database.run(
      "INSERT INTO accounts (name, plan, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      {name, plan, to_unix_ms(now)});
  require(added == 1,
          "keys: \"{}\" is the name of another account: rotate its key, or choose another", name);
  const std::int64_t account = database.value("SELECT id FROM accounts WHERE name = ?", {name});
  if (credit > 0) {
    database.run("INSERT INTO credits (account, micros, created) VALUES (?, ?, ?)",
                 {account, credit, to_unix_ms(now)});
  }
  IssuedKey issued = issue(database, account, to_unix_ms(now));
  transaction.commit();
  return issued;
}

std::vector<KeyInfo> list_keys(Database& database, TimePoint now) {
  return read_keys(database, {}, to_unix_ms(now));
}

KeyFilter find_key(Database& database, std::string_view key) {
  const std::string_view name = id_of(key).empty() ? key : id_of(key);
  std::optional<KeyFilter> found;
  database.query("SELECT account, id FROM keys WHERE id = ?", {name}, [&](const Row& row) {
    found = {row.integer(0), row.text(1)};
  });
  database.query("SELECT id FROM accounts WHERE name = ?", {name}, [&](const Row& row) {
    found = {row.integer(0), ""};
  });
  if (!found) {
    fail(ErrorCode::not_found, "keys: no account or key is called \"{}\" (see quern keys list)",
         name);
  }
  return *found;
}

std::string plan_of(Database& database, std::int64_t account) {
  std::string plan;
  database.query("SELECT plan FROM accounts WHERE id = ?", {account},
                 [&](const Row& row) { plan = row.text(0); });
  return plan;
}

void revoke_keys(Database& database, std::string_view key, TimePoint now) {
  Transaction transaction(database);
  const KeyFilter filter = find_key(database, key);
  database.run(
      "UPDATE keys SET revoked = ? WHERE account = ? AND ? IN ('', id) AND revoked IS NULL",
      {to_unix_ms(now), filter.account, filter.key});
  transaction.commit();
}

IssuedKey rotate_key(Database& database, std::string_view key, std::chrono::seconds grace,
                     TimePoint now) {
  require(grace.count() >= 0 && grace <= kLongestGrace,
          "keys: a time of grace is 0 to 366 days, not {} s", grace.count());
  Transaction transaction(database);
  const KeyFilter filter = find_key(database, key);
  const std::int64_t now_ms = to_unix_ms(now);
  const std::int64_t working = database.value(
      "SELECT count(*) FROM keys WHERE account = ? AND ? IN ('', id) AND revoked IS NULL "
      "AND (expires IS NULL OR expires > ?)",
      {filter.account, filter.key, now_ms});
  if (working == 0) {
    fail(ErrorCode::not_found, "keys: what works no more is not rotated; create another account");
  }
  database.run(
      "UPDATE keys SET expires = min(?1, coalesce(expires, ?1)) WHERE account = ?2 "
      "AND revoked IS NULL",
      {to_unix_ms(now + grace), filter.account});
  IssuedKey issued = issue(database, filter.account, now_ms);
  transaction.commit();
  return issued;
}

void add_credit(Database& database, const KeyFilter& filter, std::int64_t micros, TimePoint now) {
  database.run("INSERT INTO credits (account, micros, created) VALUES (?, ?, ?)",
               {filter.account, micros, to_unix_ms(now)});
}

std::optional<Caller> authenticate(Database& database, std::string_view key, TimePoint now) {
  const std::string_view id = id_of(key);
  std::optional<Caller> caller;
  if (id.empty()) return caller;
  // Ids are public: that a look-up by one takes another time where there is none tells nothing.
  database.query(
      "SELECT k.salt, k.hash, a.id, a.name, a.plan, "
      "  (SELECT coalesce(sum(micros), 0) FROM credits WHERE account = a.id) "
      "FROM keys k JOIN accounts a ON a.id = k.account "
      "WHERE k.id = ? AND k.revoked IS NULL AND (k.expires IS NULL OR k.expires > ?)",
      {id, to_unix_ms(now)}, [&](const Row& row) {
        Salt salt{};
        const Bytes stored = row.bytes(0);
        if (stored.size() != salt.size()) return;
        std::ranges::copy(stored, salt.begin());
        if (!equal(row.bytes(1), hash(salt, key))) return;
        caller = {std::string(id), row.integer(2), row.text(3), row.text(4), row.integer(5)};
      });
  return caller;
}

std::vector<std::string> plans_in_use(Database& database, TimePoint now) {
  std::vector<std::string> plans;
  database.query(
      "SELECT DISTINCT a.plan FROM keys k JOIN accounts a ON a.id = k.account "
      "WHERE k.revoked IS NULL AND (k.expires IS NULL OR k.expires > ?) ORDER BY a.plan",
      {to_unix_ms(now)}, [&](const Row& row) { plans.push_back(row.text(0)); });
  return plans;
}

}  // namespace quern::serve
