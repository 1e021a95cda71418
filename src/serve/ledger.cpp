#include "serve/ledger.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "serve/error.h"
#include "serve/ledger_store.h"

namespace quern::serve {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::int64_t kTokensAtOnce = 8;
// While nothing can be written: whoever asks is told soon, and it is tried again soon.
constexpr std::chrono::milliseconds kLockTime{5000};
constexpr std::chrono::milliseconds kFailingLockTime{100};
constexpr std::chrono::milliseconds kRetryInterval{500};
constexpr std::chrono::milliseconds kFreshTime{1000};

}  // namespace

/// Changes that are written together. Its writer alone touches it between taking it from the queue
/// and `done`.
struct Ticket::Batch {
  std::vector<LedgerChange> changes;
  std::vector<bool> added;
  std::optional<LedgerError> failure;
  bool done = false;  ///< guarded by mutex; the rest is read after it only
  std::mutex mutex;
  std::condition_variable changed;
};

bool Ticket::wait() const {
  std::unique_lock lock(batch_->mutex);
  batch_->changed.wait(lock, [&] { return batch_->done; });
  if (batch_->failure) throw LedgerError(*batch_->failure);
  return batch_->added[index_];
}

bool Ticket::done_within(std::chrono::milliseconds time) const {
  std::unique_lock lock(batch_->mutex);
  return batch_->changed.wait_for(lock, time, [&] { return batch_->done; });
}

struct Ledger::Impl {
  using Batch = Ticket::Batch;
  using Kind = LedgerChange::Kind;

  Impl(const std::string& path, const std::string& currency, const std::string& memory_name)
      : store(open_ledger_store(path, currency, memory_name)) {
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
      } catch (const LedgerError& error) {
        batch->failure = error;
      } catch (const std::exception& error) {
        batch->failure = LedgerError(ErrorCode::out_of_memory, store->name(), error.what());
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
    std::vector<LedgerChange> changes;
    for (const LedgerEntry& entry : unsettled) changes.push_back({Kind::settle, entry});
    const auto first = std::ssize(changes);
    std::ranges::copy(batch.changes, std::back_inserter(changes));
    if (batch.changes.empty()) changes.push_back({Kind::probe, {}});
    const std::vector<bool> changed = store->apply(changes);
    batch.added.assign(changed.begin() + first, changed.end());
  }

  /// Keeps how a batch went, and of one that failed what is to be settled when it can be.
  void note(const Batch& batch) {
    if (!batch.failure) {
      unsettled.clear();
    } else {
      for (const LedgerChange& change : batch.changes) {
        if (change.kind == Kind::record || change.kind == Kind::settle) {
          unsettled.push_back(change.entry);
        }
      }
    }
    const bool failed_before = !failure.empty();
    if (failed_before != batch.failure.has_value()) {
      store->wait_for_locks(batch.failure ? kFailingLockTime : kLockTime);
    }
    const std::lock_guard lock(mutex);
    failure = batch.failure ? batch.failure->reason() : std::string();
    if (!batch.failure) written = Steady::now();
  }

  std::unique_ptr<LedgerStore> store;  ///< the writer's own
  std::vector<LedgerEntry> unsettled;  ///< the writer's own: of requests that ended unwritten
  std::mutex mutex;
  std::condition_variable queued;
  std::shared_ptr<Batch> waiting = std::make_shared<Batch>();  ///< guarded by mutex
  std::string failure;                                         ///< likewise; written by the writer
  Steady::time_point written = Steady::now();                  ///< likewise
  bool ending = false;                                         ///< likewise
  std::thread writer;
};

Ledger::Ledger(const std::string& path, const std::string& currency, const std::string& memory_name)
    : impl_(std::make_unique<Impl>(path, currency, memory_name)) {}

Ledger::~Ledger() = default;

Ticket Ledger::add(LedgerChange change) {
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

void Ledger::settle_open_requests() { add({LedgerChange::Kind::settle, {}}).wait(); }

OpenRequest Ledger::open(const LedgerEntry& request) { return {*this, request}; }

Ticket Ledger::record(LedgerEntry entry) {
  require(!entry.id.empty(), "ledger: an entry without an id");
  require(entry.account >= 0 && entry.prompt_tokens >= 0 && entry.completion_tokens >= 0 &&
              entry.latency.count() >= 0,
          "ledger: entry \"{}\" has negative numbers", entry.id);
  return add({LedgerChange::Kind::record, std::move(entry)});
}

void Ledger::require_writable() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->failure.empty()) return;
  throw LedgerError(ErrorCode::unsupported, impl_->store->name(), impl_->failure);
}

std::string Ledger::failure() {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->failure.empty()) return impl_->failure;
    if (Steady::now() - impl_->written < kFreshTime) return {};
  }
  const Ticket probe = add({LedgerChange::Kind::probe, {}});
  if (!probe.done_within(kFreshTime)) return "is locked by another process, or its disk hangs";
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

OpenRequest::OpenRequest(Ledger& ledger, const LedgerEntry& request)
    : id_(request.id), most_(request.completion_tokens) {
  require(!id_.empty(), "ledger: a request without an id");
  ledger.add({LedgerChange::Kind::open, request}).wait();
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
    ledger_->add({LedgerChange::Kind::settle, {.id = id_, .completion_tokens = delivered_}});
  } catch (const std::bad_alloc&) {
    // It stays open, and is settled when the ledger is served anew.
  }
}

void OpenRequest::cover(std::int64_t completion_tokens, std::chrono::system_clock::time_point now) {
  requested_ = completion_tokens;
  ahead_ = ledger_->add({LedgerChange::Kind::deliver,
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
