#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "serve/ledger_store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace quern::serve {

using Bytes = std::span<const std::byte>;

/// A row of a result; columns count from 0. Valid within the callback that it is passed to.
class Row {
 public:
  std::int64_t integer(int column) const;
  std::optional<std::int64_t> find_integer(int column) const;  ///< nothing: null
  std::string text(int column) const;
  Bytes bytes(int column) const;

 private:
  friend class Database;
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_;
};

/// What takes the place of a ? in SQL: whole numbers, text, bytes, or null. A view.
class Parameter {
 public:
  Parameter(std::int64_t value) : kind_(Kind::integer), integer_(value) {}
  Parameter(std::optional<std::int64_t> value)
      : kind_(value ? Kind::integer : Kind::null), integer_(value.value_or(0)) {}
  Parameter(std::string_view text) : Parameter(Kind::text, text.data(), text.size()) {}
  Parameter(const std::string& text) : Parameter(std::string_view(text)) {}
  Parameter(Bytes bytes) : Parameter(Kind::bytes, bytes.data(), bytes.size()) {}

 private:
  friend class Database;
  enum class Kind { null, integer, text, bytes };
  /// SQLite takes a null pointer for null, which nothing is not.
  Parameter(Kind kind, const void* data, std::size_t size)
      : kind_(kind), data_(data != nullptr ? data : ""), size_(size) {}

  Kind kind_;
  std::int64_t integer_ = 0;
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A connection to an SQLite file. Not thread-safe: a connection a thread, or a lock around it.
///
/// All throw LedgerError, with the file and SQLite's own words in the message: `corrupt_file` for
/// a damaged file or one that is no database, `not_found` where it cannot be opened,
/// `out_of_memory`, and `unsupported` for a disk that is full, broken, read-only, or locked for
/// more than 5 s.
class Database {
 public:
  /// How long a lock of others is waited for, unless something else is said.
  static constexpr std::chrono::milliseconds kLockTime{5000};

  /// Opens a file, and makes it, readable by its owner only, where there is none. What SQLite keeps
  /// beside it is as private. While a process has connections to a file, nothing else in it may
  /// open that file: POSIX ends a process's locks on a file when it closes any descriptor of it.
  explicit Database(const std::string& path);

  /// Opens a database in memory, shared by all of this process that open the same name; gone with
  /// the last of them.
  static Database in_memory(const std::string& name);

  /// How messages name it.
  const std::string& name() const noexcept { return name_; }
  bool is_in_memory() const noexcept { return in_memory_; }

  /// Runs one statement; gives the number of rows that it changed itself. Statements stay prepared:
  /// `sql` should be a constant.
  std::int64_t run(std::string_view sql, std::initializer_list<Parameter> parameters = {});

  /// Passes each row of the result to `use`, which must not run the same statement.
  void query(std::string_view sql, std::initializer_list<Parameter> parameters,
             const std::function<void(const Row&)>& use);

  /// The first column of the first row. Throws also `corrupt_file` where there is none.
  std::int64_t value(std::string_view sql, std::initializer_list<Parameter> parameters = {});

  /// Whether what is committed is on disk when `commit` returns, as it is where nothing else was
  /// said, or only safe from a crash of this process, which costs no sync. Outside transactions.
  void sync_commits(bool synced);
  void wait_for_locks(std::chrono::milliseconds time);

  /// Runs several statements, without parameters.
  void run_script(const std::string& sql);

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
    void operator()(sqlite3_stmt* statement) const;
  };
  Database(const std::string& name, const std::string& uri, bool in_memory);
  sqlite3_stmt* prepared(std::string_view sql, std::initializer_list<Parameter> parameters);
  [[noreturn]] void fail_with(std::string_view doing) const;

  std::string name_;
  bool in_memory_ = false;
  bool synced_ = true;
  std::unique_ptr<sqlite3, Close> handle_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Close>, std::less<>> statements_;
};

/// All of what is done while it lives, or, unless committed, nothing of it. Others cannot write
/// meanwhile.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Returns when all is on disk, unless Database::sync_commits says that it need not be.
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace quern::serve
