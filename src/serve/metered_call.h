#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "serve/service.h"

namespace quern::serve {

/// What a call used, and how it ended.
struct CallUsage {
  std::string_view finish_reason = "stop";
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
};

/// A request that costs something, from its admission to its bill: each route that runs a model
/// goes through here. One that is never billed has failed by the server's fault: only what was
/// delivered of it is.
class MeteredCall {
 public:
  /// Admits, and adds the headers of the caller's limits to the answer. Throws: ApiError where it
  /// is refused; LedgerError.
  MeteredCall(Exchange& exchange, const Demand& demand);

  int priority() const noexcept { return admission_.priority(); }
  /// Before so many tokens of a stream are delivered. Throws: LedgerError; they must not be then.
  void deliver(std::int64_t completion_tokens);
  /// Returns when the request is in the ledger: before its answer ends. Once. Throws:
  /// LedgerError.
  void bill(const CallUsage& usage);

 private:
  Exchange& exchange_;
  Admission admission_;
};

}  // namespace quern::serve
