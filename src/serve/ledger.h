#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "quern/serve/config.h"

namespace quern::serve {

/// One finished request, as it is billed. Holds nothing of prompt or answer.
struct LedgerEntry {
  std::string id = {};       ///< an entry with an id that is there already is none
  std::string key = {};      ///< public id; empty: none was asked for
  std::int64_t account = 0;  ///< 0: none
  std::string model = {};
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::chrono::microseconds latency{0};
  std::string finish_reason = {};
  Prices prices = {};  ///< that apply
  std::chrono::system_clock::time_point finished = {};
};

/// A promise that an entry is on disk. Must be one that Ledger::record gave.
class Ticket {
 public:
  /// Returns when the entry is synced: true, or false where its id was there before. May be called
  /// again, and from any thread. Throws: as Database for what kept the entry, and all that were to
  /// be written with it, from the disk; recording it again is safe.
  bool wait() const;

 private:
  friend class Ledger;
  struct Batch;
  std::shared_ptr<Batch> batch_;
  std::size_t index_ = 0;
};

/// The writer of finished requests: one thread, which puts all that came while it was writing into
/// one transaction, so that many requests share a sync.
///
/// A ledger in memory keeps what entries add up to, but of the entries themselves, which only serve
/// to know an id again, the last 250 to 500: a service without a file does not grow.
///
/// Safe to use from several threads at once, and beside other processes.
class Ledger {
 public:
  /// `path` and `memory_name` as open_ledger takes them. Throws: as open_ledger.
  Ledger(const std::string& path, std::string currency, const std::string& memory_name);
  /// Writes what was recorded, then ends.
  ~Ledger();

  /// Queues an entry; never waits for the disk. That each caller waits for its ticket bounds the
  /// queue. Throws: `invalid_argument` for an empty id or negative numbers.
  Ticket record(LedgerEntry entry);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
