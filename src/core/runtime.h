#pragma once

#include <cstdint>
#include <string_view>

#include "quern/runtime.h"

namespace quern {

/// Threads that one operation uses.
int thread_count() noexcept;

/// How long a thread waits awake for others before it sleeps.
int spin_microseconds() noexcept;

std::int64_t memory_limit() noexcept;

/// The ISA cap. From the first call on it can no longer change: kernels have been chosen by it.
Isa settle_max_isa() noexcept;

/// Sends a message to the log sink, if there is one.
void log(LogLevel level, std::string_view message);

}  // namespace quern
