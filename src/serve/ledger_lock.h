#pragma once

#include <string>
#include <string_view>

#include "serve/http/socket.h"

namespace quern::serve {

/// The right to serve a ledger: one holder at a time on a machine, as quotas are counted in its
/// memory. The kernel keeps it, on a file of its own beside the ledger ("usage.db.lock"), so that
/// it ends with the process in whatever way that ends; the file stays and must not be removed while
/// the holder lives. Who only reads and writes the ledger (`quern keys`, `quern usage`) needs none.
///
/// A child that the holder forks shares it until it runs another program or ends.
class LedgerLock {
 public:
  /// Takes it; an empty path, a ledger in memory, needs none. Throws: `busy`, naming the holder;
  /// `not_found` where the file cannot be made.
  explicit LedgerLock(const std::string& ledger);

  /// Says where the holder serves, for those that are refused.
  void announce(std::string_view address) const;
  /// Lets another take it.
  void release() { file_ = Descriptor(); }

 private:
  Descriptor file_;
};

}  // namespace quern::serve
