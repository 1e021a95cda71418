#include "serve/ledger.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "serve/error.h"
#include "serve/keys.h"
#include "serve/schema.h"

namespace quern::serve {

/// Entries that are written together. Its writer alone touches it between taking it from the queue
/// and `done`.
struct Ticket::Batch {
  struct Failure {
    ErrorCode code;
    std::string message;
  };

  std::vector<LedgerEntry> entries;
  std::vector<bool> added;
  std::optional<Failure> failure;
  bool done = false;  ///< guarded by mutex; the rest is read after it only
  std::mutex mutex;
  std::condition_variable changed;
};

bool Ticket::wait() const {
  std::unique_lock lock(batch_->mutex);
  batch_->changed.wait(lock, [&] { return batch_->done; });
  if (batch_->failure) throw Error(batch_->failure->code, batch_->failure->message);
  return batch_->added[index_];
}

struct Ledger::Impl {
  using Batch = Ticket::Batch;
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
      } catch (const Error& error) {
        batch->failure = {error.code(), error.what()};
      } catch (const std::exception& error) {
        batch->failure = {ErrorCode::out_of_memory, error.what()};
      }
      {
        const std::lock_guard lock(batch->mutex);
        batch->done = true;
      }
      batch->changed.notify_all();
    }
  }

  /// Waits for one; none at the end.
  std::shared_ptr<Batch> next_batch() {
    std::unique_lock lock(mutex);
    queued.wait(lock, [&] { return !waiting->entries.empty() || ending; });
    if (waiting->entries.empty()) return nullptr;
    return std::exchange(waiting, std::make_shared<Batch>());
  }

  void write(Batch& batch) {
    Transaction transaction(database);
    for (const LedgerEntry& entry : batch.entries) batch.added.push_back(add(entry));
    if (database.is_in_memory()) forget_old_entries(batch.entries.size());
    transaction.commit();
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

  bool add(const LedgerEntry& entry) {
    return database.run(
               "INSERT INTO requests (id, key, account, model, prompt_tokens, completion_tokens, "
               "  latency_us, finish_reason, price, finished) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
               "?) "
               "ON CONFLICT DO NOTHING",
               {entry.id, entry.key, entry.account, entry.model, entry.prompt_tokens,
                entry.completion_tokens, std::int64_t{entry.latency.count()}, entry.finish_reason,
                price_id(entry.prices), to_unix_ms(entry.finished)}) == 1;
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

  Database database;  ///< the writer's own
  std::size_t not_looked_at = 0;
  const std::string currency;
  std::mutex mutex;
  std::condition_variable queued;
  std::shared_ptr<Batch> waiting = std::make_shared<Batch>();  ///< guarded by mutex
  bool ending = false;                                         ///< guarded by mutex
  std::thread writer;
};

Ledger::Ledger(const std::string& path, std::string currency, const std::string& memory_name)
    : impl_(std::make_unique<Impl>(path, std::move(currency), memory_name)) {}

Ledger::~Ledger() = default;

Ticket Ledger::record(LedgerEntry entry) {
  require(!entry.id.empty(), "ledger: an entry without an id");
  require(entry.account >= 0 && entry.prompt_tokens >= 0 && entry.completion_tokens >= 0 &&
              entry.latency.count() >= 0,
          "ledger: entry \"{}\" has negative numbers", entry.id);
  Ticket ticket;
  {
    const std::lock_guard lock(impl_->mutex);
    ticket.batch_ = impl_->waiting;
    ticket.index_ = ticket.batch_->entries.size();
    ticket.batch_->entries.push_back(std::move(entry));
  }
  impl_->queued.notify_one();
  return ticket;
}

}  // namespace quern::serve
