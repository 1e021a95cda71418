#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "serve/ledger_store.h"

namespace quern::serve {

/// A promise that a change is in the ledger. Must be one that Ledger gave.
class Ticket {
 public:
  /// Returns when the change is written, and synced where it is an entry: true, or false where an
  /// entry's id was there before. May be called again, and from any thread. Throws: LedgerError
  /// for what kept the change, and all that were to be written with it, from the file; recording
  /// an entry again is safe.
  bool wait() const;

 private:
  friend class Ledger;
  struct Batch;
  /// False where it takes longer.
  bool done_within(std::chrono::milliseconds time) const;

  std::shared_ptr<Batch> batch_;
  std::size_t index_ = 0;
};

class Ledger;

/// A request that is admitted and has a row of its own until it ends: recording its entry takes
/// that row away. Where it ends otherwise, by an exception, by an entry that could not be written
/// or by a crash, what was delivered of it is billed, with "interrupted" as the reason, and nothing
/// where nothing was. Must not outlive its Ledger.
class OpenRequest {
 public:
  OpenRequest() = default;
  OpenRequest(OpenRequest&& other) noexcept { *this = std::move(other); }
  OpenRequest& operator=(OpenRequest&& other) noexcept;
  ~OpenRequest();

  /// Has the ledger know that so many tokens of the answer are delivered, before they are. It is
  /// written for some tokens at once, and ahead so that none waits for it: after a crash, up to 11
  /// more are billed than were delivered.
  /// Throws: as Ticket::wait; they are not to be delivered then.
  void deliver(std::int64_t completion_tokens, std::chrono::system_clock::time_point now);
  /// Its entry is recorded.
  void close() noexcept { ledger_ = nullptr; }

 private:
  friend class Ledger;
  OpenRequest(Ledger& ledger, const LedgerEntry& request);
  void cover(std::int64_t completion_tokens, std::chrono::system_clock::time_point now);

  Ledger* ledger_ = nullptr;
  std::string id_;
  std::int64_t most_ = 0;
  std::int64_t covered_ = 0;    ///< known to be written
  std::int64_t requested_ = 0;  ///< by `ahead_`
  std::int64_t delivered_ = 0;
  std::optional<Ticket> ahead_;
};

/// The writer of requests: one thread, which puts all that came while it was writing into one
/// transaction, so that many requests share a sync. Entries are synced; rows of open requests
/// survive a crash of the process, and not one of the machine.
///
/// Safe to use from several threads at once, and beside other processes.
class Ledger {
 public:
  /// Takes and throws what open_ledger_store does.
  Ledger(const std::string& path, const std::string& currency, const std::string& memory_name);
  /// Writes what was recorded, then ends.
  ~Ledger();

  /// Ends all requests that are open, as they are where a process that served was killed. For the
  /// one that may serve (LedgerLock). Throws: as Ticket::wait.
  void settle_open_requests();

  /// Writes a row for a request: `finished` is when it was admitted, and `completion_tokens` the
  /// most that it can get. Throws: as Ticket::wait, and as `record`.
  OpenRequest open(const LedgerEntry& request);

  /// Queues an entry; never waits for the disk. That each caller waits for its ticket bounds the
  /// queue. Throws: `invalid_argument` for an empty id or negative numbers.
  Ticket record(LedgerEntry entry);

  /// Throws: LedgerError where nothing could be written when that was last tried.
  void require_writable();

  /// Why nothing can be written at present; empty where it can. Tries to, where that was last seen
  /// more than a second ago, and takes a second at most.
  std::string failure();

 private:
  friend class OpenRequest;
  struct Impl;
  Ticket add(LedgerChange change);

  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
