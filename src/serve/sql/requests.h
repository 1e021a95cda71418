#pragma once

#include <string>
#include <utility>

#include "serve/ledger_store.h"
#include "serve/sql/database.h"

namespace quern::serve {

/// The tables of requests that are open, requests that finished, and prices.
class Requests {
 public:
  Requests(Database& database, std::string currency)
      : database_(database), currency_(std::move(currency)) {}

  /// Within a transaction; false where it changed nothing.
  bool apply(const LedgerChange& change);
  /// All finished ones but the last `most`; what they add up to is kept.
  void forget_old(std::int64_t most);

 private:
  bool open(const LedgerEntry& request);
  bool deliver(const LedgerEntry& entry);
  bool record(const LedgerEntry& entry);
  /// Bills an open request, of which nothing but this is known, where some of it was delivered.
  bool settle(const LedgerEntry& entry);
  /// Writes, and changes nothing.
  bool probe();
  std::int64_t price_id(const Prices& prices);

  Database& database_;
  const std::string currency_;
};

}  // namespace quern::serve
