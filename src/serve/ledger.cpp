#include "serve/ledger.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "serve/error.h"
#include "serve/keys.h"
#include "serve/schema.h"

namespace quern::serve {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::int64_t kTokensAtOnce = 8;
// While nothing can be written: whoever asks is told soon, and it is tried again soon.
constexpr std::chrono::milliseconds kFailingLockTime{100};
constexpr std::chrono::milliseconds kRetryInterval{500};
constexpr std::chrono::milliseconds kFreshTime{1000};

}  // namespace

struct Ledger::Change {
  enum class Kind {
    open,
    deliver,  ///< of id: completion_tokens, finished
    record,
    settle,  ///< of id: completion_tokens; of an empty id: all
    probe,   ///< nothing
  };
  Kind kind;
  LedgerEntry entry;
};

/// Changes that are written together. Its writer alone touches it between taking it from the queue
/// and `done`.
struct Ticket::Batch {
  std::vector<Ledger::Change> changes;
  std::vector<bool> added;
  std::optional<DatabaseError> failure;
  bool done = false;  ///< guarded by mutex; the rest is read after it only
  std::mutex mutex;
  std::condition_variable changed;
};

bool Ticket::wait() const {
  std::unique_lock lock(batch_->mutex);
  batch_->changed.wait(lock, [&] { return batch_->done; });
  if (batch_->failure) throw DatabaseError(*batch_->failure);
  return batch_->added[index_];
}

bool Ticket::done_within(std::chrono::milliseconds time) const {
  std::unique_lock lock(batch_->mutex);
  return batch_->changed.wait_for(lock, time, [&] { return batch_->done; });
}

struct Ledger::Impl {
  using Batch = Ticket::Batch;
  using Kind = Change::Kind;
  static constexpr std::size_t kRemembered = 250;

  Impl(const std::string& path, std::string currency_, const std::string& memory_name)
      : database(open_ledger(path, memory_name)), currency(std::move(currency_)) {
    check_currency(database, currency);
    writer = std::thread([this] { write_batches(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    queued.notify_one();
    writer.join();
  }

  void write_batches() {
    while (const std::shared_ptr<Batch> batch = next_batch()) {
      try {
        write(*batch);
      } catch (const DatabaseError& error) {
        batch->failure = error;
      } catch (const std::exception& error) {
        batch->failure = DatabaseError(ErrorCode::out_of_memory, database.name(), error.what());
      }
      note(*batch);
      {
        const std::lock_guard lock(batch->mutex);
        batch->done = true;
      }
      batch->changed.notify_all();
    }
  }

  /// Waits for one, while nothing can be written only until it is time to try; none at the end.
  std::shared_ptr<Batch> next_batch() {
    std::unique_lock lock(mutex);
    const auto news = [&] { return !waiting->changes.empty() || ending; };
    if (failure.empty()) {
      queued.wait(lock, news);
    } else {
      queued.wait_for(lock, kRetryInterval, news);
    }
    if (waiting->changes.empty() && ending) return nullptr;
    return std::exchange(waiting, std::make_shared<Batch>());
  }

  void write(Batch& batch) {
    const auto records = std::ranges::count(batch.changes, Kind::record, &Change::kind);
    database.sync_commits(records > 0);
    Transaction transaction(database);
    for (const LedgerEntry& entry : unsettled) settle(entry);
    for (const Change& change : batch.changes) batch.added.push_back(apply(change));
    if (batch.changes.empty()) probe();
    if (database.is_in_memory()) forget_old_entries(static_cast<std::size_t>(records));
    transaction.commit();
  }

  /// Keeps how a batch went, and of one that failed what is to be settled when it can be.
  void note(const Batch& batch) {
    if (!batch.failure) {
      unsettled.clear();
    } else {
      for (const Change& change : batch.changes) {
        if (change.kind == Kind::record || change.kind == Kind::settle) {
          unsettled.push_back(change.entry);
        }
      }
    }
    const bool failed_before = !failure.empty();
    if (failed_before != batch.failure.has_value()) {
      database.wait_for_locks(batch.failure ? kFailingLockTime : Database::kLockTime);
    }
    const std::lock_guard lock(mutex);
    failure = batch.failure ? batch.failure->reason() : std::string();
    if (!batch.failure) written = Steady::now();
  }

  bool apply(const Change& change) {
    switch (change.kind) {
      case Kind::open:
        return open(change.entry);
      case Kind::deliver:
        return database.run(
                   "UPDATE open_requests SET completion_tokens = ?, covered = ? WHERE id = ?",
                   {change.entry.completion_tokens, to_unix_ms(change.entry.finished),
                    change.entry.id}) == 1;
      case Kind::record:
        return record(change.entry);
      case Kind::settle:
        return settle(change.entry);
      case Kind::probe:
        return probe();
    }
    return false;
  }

  bool open(const LedgerEntry& request) {
    return database.run(
               "INSERT INTO open_requests (id, key, account, model, prompt_tokens, "
               "  completion_tokens, price, admitted, covered) "
               "VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?7) ON CONFLICT DO NOTHING",
               {request.id, request.key, request.account, request.model, request.prompt_tokens,
                price_id(request.prices), to_unix_ms(request.finished)}) == 1;
  }

  bool record(const LedgerEntry& entry) {
    database.run("DELETE FROM open_requests WHERE id = ?", {entry.id});
    return database.run(
               "INSERT INTO requests (id, key, account, model, prompt_tokens, completion_tokens, "
               "  latency_us, finish_reason, price, finished) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
               "?) "
               "ON CONFLICT DO NOTHING",
               {entry.id, entry.key, entry.account, entry.model, entry.prompt_tokens,
                entry.completion_tokens, std::int64_t{entry.latency.count()}, entry.finish_reason,
                price_id(entry.prices), to_unix_ms(entry.finished)}) == 1;
  }

  /// Bills an open request, of which nothing but this is known, where some of it was delivered.
  bool settle(const LedgerEntry& entry) {
    database.run(
        "UPDATE open_requests SET completion_tokens = ? WHERE id = ? AND completion_tokens > 0",
        {entry.completion_tokens, entry.id});
    database.run(
        "INSERT INTO requests (id, key, account, model, prompt_tokens, completion_tokens, "
        "  latency_us, finish_reason, price, finished) "
        "SELECT id, key, account, model, prompt_tokens, completion_tokens, "
        "  max(0, covered - admitted) * 1000, 'interrupted', price, covered "
        "FROM open_requests WHERE completion_tokens > 0 AND ? IN ('', id) ON CONFLICT DO NOTHING",
        {entry.id});
    return database.run("DELETE FROM open_requests WHERE ? IN ('', id)", {entry.id}) > 0;
  }

  /// Writes, and changes nothing.
  bool probe() {
    database.run("INSERT INTO open_requests VALUES ('', '', 0, '', 0, 0, 0, 0, 0)");
    return database.run("DELETE FROM open_requests WHERE id = ''") == 1;
  }

  void forget_old_entries(std::size_t new_entries) {
    not_looked_at += new_entries;
    if (not_looked_at < kRemembered) return;
    not_looked_at = 0;
    database.run(
        "DELETE FROM requests WHERE finished < "
        "(SELECT finished FROM requests ORDER BY finished DESC LIMIT 1 OFFSET ?)",
        {std::int64_t{kRemembered}});
  }

  std::int64_t price_id(const Prices& prices) {
    const std::initializer_list<Parameter> values = {
        currency, prices.input_per_million, prices.output_per_million, prices.per_thousand_calls};
    database.run(
        "INSERT INTO prices (currency, input_per_million, output_per_million, per_thousand_calls) "
        "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        values);
    return database.value(
        "SELECT id FROM prices WHERE currency = ? AND input_per_million = ? "
        "AND output_per_million = ? AND per_thousand_calls = ?",
        values);
  }

  Database database;                   ///< the writer's own
  std::vector<LedgerEntry> unsettled;  ///< the writer's own: of requests that ended unwritten
  std::size_t not_looked_at = 0;
  const std::string currency;
  std::mutex mutex;
  std::condition_variable queued;
  std::shared_ptr<Batch> waiting = std::make_shared<Batch>();  ///< guarded by mutex
  std::string failure;                                         ///< likewise; written by the writer
  Steady::time_point written = Steady::now();                  ///< likewise
  bool ending = false;                                         ///< likewise
  std::thread writer;
};

Ledger::Ledger(const std::string& path, std::string currency, const std::string& memory_name)
    : impl_(std::make_unique<Impl>(path, std::move(currency), memory_name)) {}

Ledger::~Ledger() = default;

Ticket Ledger::add(Change change) {
  Ticket ticket;
  {
    const std::lock_guard lock(impl_->mutex);
    ticket.batch_ = impl_->waiting;
    ticket.index_ = ticket.batch_->changes.size();
    ticket.batch_->changes.push_back(std::move(change));
  }
  impl_->queued.notify_one();
  return ticket;
}

void Ledger::settle_open_requests() { add({Change::Kind::settle, {}}).wait(); }

OpenRequest Ledger::open(const LedgerEntry& request) { return {*this, request}; }

Ticket Ledger::record(LedgerEntry entry) {
  require(!entry.id.empty(), "ledger: an entry without an id");
  require(entry.account >= 0 && entry.prompt_tokens >= 0 && entry.completion_tokens >= 0 &&
              entry.latency.count() >= 0,
          "ledger: entry \"{}\" has negative numbers", entry.id);
  return add({Change::Kind::record, std::move(entry)});
}

void Ledger::require_writable() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->failure.empty()) return;
  throw DatabaseError(ErrorCode::unsupported, impl_->database.name(), impl_->failure);
}

std::string Ledger::failure() {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->failure.empty()) return impl_->failure;
    if (Steady::now() - impl_->written < kFreshTime) return {};
  }
  const Ticket probe = add({Change::Kind::probe, {}});
  if (!probe.done_within(kFreshTime)) return "is locked by another process, or its disk hangs";
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

OpenRequest::OpenRequest(Ledger& ledger, const LedgerEntry& request)
    : id_(request.id), most_(request.completion_tokens) {
  require(!id_.empty(), "ledger: a request without an id");
  ledger.add({Ledger::Change::Kind::open, request}).wait();
  ledger_ = &ledger;
}

OpenRequest& OpenRequest::operator=(OpenRequest&& other) noexcept {
  std::swap(ledger_, other.ledger_);
  std::swap(id_, other.id_);
  std::swap(most_, other.most_);
  std::swap(covered_, other.covered_);
  std::swap(requested_, other.requested_);
  std::swap(delivered_, other.delivered_);
  std::swap(ahead_, other.ahead_);
  return *this;
}

OpenRequest::~OpenRequest() {
  if (ledger_ == nullptr) return;
  try {
    ledger_->add({Ledger::Change::Kind::settle, {.id = id_, .completion_tokens = delivered_}});
  } catch (const std::bad_alloc&) {
    // It stays open, and is settled when the ledger is served anew.
  }
}

void OpenRequest::cover(std::int64_t completion_tokens, std::chrono::system_clock::time_point now) {
  requested_ = completion_tokens;
  ahead_ = ledger_->add({Ledger::Change::Kind::deliver,
                         {.id = id_, .completion_tokens = completion_tokens, .finished = now}});
}

void OpenRequest::deliver(std::int64_t completion_tokens,
                          std::chrono::system_clock::time_point now) {
  if (ledger_ == nullptr) return;
  const auto within = [&](std::int64_t tokens) {
    return std::max(completion_tokens, std::min(tokens, most_));
  };
  if (completion_tokens > std::max(covered_, requested_)) {
    cover(within(completion_tokens + kTokensAtOnce - 1), now);
  }
  if (completion_tokens > covered_) {
    ahead_->wait();
    ahead_.reset();
    covered_ = requested_;
  }
  if (!ahead_ && completion_tokens + kTokensAtOnce / 2 > covered_ && covered_ < most_) {
    cover(within(covered_ + kTokensAtOnce), now);
  }
  delivered_ = completion_tokens;
}

}  // namespace quern::serve
