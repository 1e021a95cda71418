#include "serve/sql/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>

#include "serve/error.h"

namespace quern::serve {
namespace {

ErrorCode code_of_sqlite(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_ERROR:  // our SQL is fixed, so it is the tables that are not as it expects
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
      return ErrorCode::corrupt_file;
    case SQLITE_CANTOPEN:
      return ErrorCode::not_found;
    case SQLITE_NOMEM:
      return ErrorCode::out_of_memory;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::internal;
  }
}

/// Ends a statement's use of the database also where a callback throws.
struct Reset {
  sqlite3_stmt* statement;
  ~Reset() {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};

/// Makes an empty file, readable by its owner only, where there is none. One that exists is not
/// opened: to close it would end all locks that this process has on it, SQLite's too. Hence one
/// caller at a time: nobody has locks on a new file before it is closed here.
void make_private(const std::string& path) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file >= 0) ::close(file);  // where it cannot be made, SQLite says why
}

}  // namespace

std::int64_t Row::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::optional<std::int64_t> Row::find_integer(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string Row::text(int column) const {
  const Bytes all = bytes(column);
  return {reinterpret_cast<const char*>(all.data()), all.size()};
}

Bytes Row::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  return {static_cast<const std::byte*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close(handle); }
void Database::Close::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

// A whole path is none of the names that mean something else to SQLite, such as ":memory:".
Database::Database(const std::string& path)
    : Database(path, std::filesystem::absolute(path).string(), false) {}

Database Database::in_memory(const std::string& name) {
  return {"in memory", "file:/" + name + "?vfs=memdb", true};
}

Database::Database(const std::string& name, const std::string& uri, bool in_memory)
    : name_(name), in_memory_(in_memory) {
  if (!in_memory) make_private(uri);
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (in_memory ? SQLITE_OPEN_URI | SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(uri.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (handle == nullptr) fail(ErrorCode::out_of_memory, "ledger \"{}\": no memory", name_);
  if (code != SQLITE_OK) fail_with("cannot be opened");
  wait_for_locks(kLockTime);
}

void Database::fail_with(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(handle_.get());
  throw LedgerError(code_of_sqlite(code), name_,
                    fmt::format("{}: {}", doing, sqlite3_errmsg(handle_.get())));
}

sqlite3_stmt* Database::prepared(std::string_view sql,
                                 std::initializer_list<Parameter> parameters) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* made = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (code != SQLITE_OK) fail_with("cannot be read");
    found = statements_.emplace(std::string(sql), made).first;
  }
  sqlite3_stmt* statement = found->second.get();
  int index = 0;
  for (const Parameter& parameter : parameters) {
    ++index;
    int code = SQLITE_OK;
    switch (parameter.kind_) {
      case Parameter::Kind::null:
        code = sqlite3_bind_null(statement, index);
        break;
      case Parameter::Kind::integer:
        code = sqlite3_bind_int64(statement, index, parameter.integer_);
        break;
      case Parameter::Kind::text:
        code = sqlite3_bind_text64(statement, index, static_cast<const char*>(parameter.data_),
                                   parameter.size_, SQLITE_STATIC, SQLITE_UTF8);
        break;
      case Parameter::Kind::bytes:
        code =
            sqlite3_bind_blob64(statement, index, parameter.data_, parameter.size_, SQLITE_STATIC);
        break;
    }
    if (code != SQLITE_OK) fail_with("does not take a value");
  }
  return statement;
}

std::int64_t Database::run(std::string_view sql, std::initializer_list<Parameter> parameters) {
  query(sql, parameters, [](const Row&) {});
  return sqlite3_changes(handle_.get());
}

void Database::query(std::string_view sql, std::initializer_list<Parameter> parameters,
                     const std::function<void(const Row&)>& use) {
  sqlite3_stmt* statement = prepared(sql, parameters);
  const Reset reset{statement};
  int code = sqlite3_step(statement);
  for (; code == SQLITE_ROW; code = sqlite3_step(statement)) use(Row(statement));
  if (code != SQLITE_DONE) {
    fail_with(sqlite3_stmt_readonly(statement) != 0 ? "cannot be read" : "cannot be written");
  }
}

std::int64_t Database::value(std::string_view sql, std::initializer_list<Parameter> parameters) {
  std::optional<std::int64_t> first;
  query(sql, parameters, [&](const Row& row) {
    if (!first) first = row.integer(0);
  });
  if (!first) {
    throw LedgerError(ErrorCode::corrupt_file, name_, "lacks a row that it must have");
  }
  return *first;
}

void Database::run_script(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail_with("cannot be written");
  }
}

void Database::sync_commits(bool synced) {
  if (synced == synced_) return;
  // Not by `run`: it takes effect when it is prepared.
  run_script(synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  synced_ = synced;
}

void Database::wait_for_locks(std::chrono::milliseconds time) {
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(time.count()));
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.run("BEGIN IMMEDIATE");
}

void Transaction::commit() {
  database_.run_script("COMMIT");  // as a statement it counts as one that only reads
  open_ = false;
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself, as it does where the disk is full.
  }
}

}  // namespace quern::serve
