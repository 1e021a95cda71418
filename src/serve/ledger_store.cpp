#include "serve/ledger_store.h"

#include <fmt/format.h>

namespace quern::serve {

LedgerError::LedgerError(ErrorCode code, const std::string& name, std::string reason)
    : Error(code, fmt::format("ledger \"{}\" {}", name, reason)), reason_(std::move(reason)) {}

}  // namespace quern::serve
