#pragma once

#include <span>
#include <string>

#include "serve/sql/database.h"

namespace quern::serve {

/// Opens the ledger's database and brings it to this version; makes it where the file is new or
/// empty. An empty path gives one in memory, which `memory_name` tells from others.
/// Throws: as Database; `corrupt_file` for a database of another program, `unsupported` for a
/// ledger of a later version, or a file system without shared memory.
Database open_ledger(const std::string& path, const std::string& memory_name = "ledger");

/// Throws: `invalid_argument` where the ledger holds amounts in another currency.
void check_currency(Database& database, std::string_view currency);

/// Runs those of `steps` that a database has not seen, in one transaction: its version is the
/// number of steps that it has. Throws: as open_ledger.
void migrate(Database& database, std::span<const char* const> steps);

}  // namespace quern::serve
