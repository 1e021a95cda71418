#include "serve/sql/schema.h"

#include <fmt/format.h>

#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr std::int64_t kApplicationId = 0x7175726e;  // "qurn"

// Times are Unix time in milliseconds, days are days since 1970-01-01; all in UTC.
constexpr const char* kSteps[] = {
    R"(CREATE TABLE accounts (
         id INTEGER PRIMARY KEY,
         name TEXT NOT NULL UNIQUE,
         plan TEXT NOT NULL,
         created INTEGER NOT NULL);
       CREATE TABLE keys (
         id TEXT PRIMARY KEY,
         account INTEGER NOT NULL REFERENCES accounts (id),
         salt BLOB NOT NULL,
         hash BLOB NOT NULL,
         created INTEGER NOT NULL,
         expires INTEGER,
         revoked INTEGER) WITHOUT ROWID;
       CREATE INDEX keys_of_account ON keys (account);
       CREATE TABLE credits (
         id INTEGER PRIMARY KEY,
         account INTEGER NOT NULL REFERENCES accounts (id),
         micros INTEGER NOT NULL,
         created INTEGER NOT NULL);
       CREATE INDEX credits_of_account ON credits (account);

       CREATE TABLE prices (
         id INTEGER PRIMARY KEY,
         currency TEXT NOT NULL,
         input_per_million INTEGER NOT NULL,
         output_per_million INTEGER NOT NULL,
         per_thousand_calls INTEGER NOT NULL,
         UNIQUE (currency, input_per_million, output_per_million, per_thousand_calls));
       CREATE TABLE requests (
         id TEXT PRIMARY KEY,
         key TEXT NOT NULL,
         account INTEGER NOT NULL,
         model TEXT NOT NULL,
         prompt_tokens INTEGER NOT NULL,
         completion_tokens INTEGER NOT NULL,
         latency_us INTEGER NOT NULL,
         finish_reason TEXT NOT NULL,
         price INTEGER NOT NULL REFERENCES prices (id),
         finished INTEGER NOT NULL) WITHOUT ROWID;
       CREATE INDEX requests_of_key ON requests (key, finished);

       CREATE TABLE usage (
         account INTEGER NOT NULL,
         day INTEGER NOT NULL,
         key TEXT NOT NULL,
         model TEXT NOT NULL,
         price INTEGER NOT NULL,
         calls INTEGER NOT NULL,
         prompt_tokens INTEGER NOT NULL,
         completion_tokens INTEGER NOT NULL,
         PRIMARY KEY (account, day, key, model, price)) WITHOUT ROWID;
       CREATE TRIGGER usage_of_request AFTER INSERT ON requests BEGIN
         INSERT INTO usage VALUES (new.account, new.finished / 86400000, new.key, new.model,
                                   new.price, 1, new.prompt_tokens, new.completion_tokens)
         ON CONFLICT DO UPDATE SET
           calls = calls + 1,
           prompt_tokens = prompt_tokens + new.prompt_tokens,
           completion_tokens = completion_tokens + new.completion_tokens;
       END;)",
    R"(CREATE TABLE open_requests (
         id TEXT PRIMARY KEY,
         key TEXT NOT NULL,
         account INTEGER NOT NULL,
         model TEXT NOT NULL,
         prompt_tokens INTEGER NOT NULL,
         completion_tokens INTEGER NOT NULL,
         price INTEGER NOT NULL REFERENCES prices (id),
         admitted INTEGER NOT NULL,
         covered INTEGER NOT NULL) WITHOUT ROWID;)",
};

void use_wal(Database& database) {
  std::string mode;
  database.query("PRAGMA journal_mode = WAL", {}, [&](const Row& row) { mode = row.text(0); });
  if (mode != "wal" && !database.is_in_memory()) {
    fail(ErrorCode::unsupported,
         "ledger \"{}\" is on a file system without the shared memory that it needs (SQLite's WAL "
         "mode gave \"{}\")",
         database.name(), mode);
  }
  database.run("PRAGMA synchronous = FULL");
}

void check_owner(Database& database) {
  const std::int64_t application = database.value("PRAGMA application_id");
  if (application == kApplicationId) return;
  if (application != 0 || database.value("SELECT count(*) FROM sqlite_master") != 0) {
    fail(ErrorCode::corrupt_file,
         "ledger \"{}\" is an SQLite database of another program (application id {:#x})",
         database.name(), application);
  }
}

}  // namespace

void migrate(Database& database, std::span<const char* const> steps) {
  const auto known = static_cast<std::int64_t>(steps.size());
  check_owner(database);
  if (database.value("PRAGMA user_version") == known) return;
  Transaction transaction(database);
  check_owner(database);
  const std::int64_t version = database.value("PRAGMA user_version");
  if (version > known || version < 0) {
    fail(ErrorCode::unsupported, "ledger \"{}\" has version {}, this quern knows up to {}",
         database.name(), version, known);
  }
  for (std::int64_t step = version; step < known; ++step) {
    database.run_script(steps[static_cast<std::size_t>(step)]);
  }
  database.run_script(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, known));
  transaction.commit();
}

void check_currency(Database& database, std::string_view currency) {
  database.query(
      "SELECT currency FROM prices WHERE currency <> ? "
      "AND input_per_million + output_per_million + per_thousand_calls > 0 LIMIT 1",
      {currency}, [&](const Row& row) {
        fail(ErrorCode::invalid_argument,
             "ledger \"{}\" has amounts in {}: a service that bills in {} needs another",
             database.name(), row.text(0), currency);
      });
}

Database open_ledger(const std::string& path, const std::string& memory_name) {
  Database database = path.empty() ? Database::in_memory(memory_name) : Database(path);
  check_owner(database);
  use_wal(database);
  migrate(database, kSteps);
  return database;
}

}  // namespace quern::serve
