#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quern/runtime.h"
#include "quern/weights.h"

namespace quern::cli {

/// A progress bar on stderr where that is a terminal and the work takes long enough to notice;
/// nothing elsewhere. Cleared when the returned callback is told 1.
LoadProgress progress_bar(const std::string& label);

/// "1.25 GB", "3.2 MB".
std::string human_bytes(double bytes);
/// "1.10 B", "260 K".
std::string human_count(double count);

/// Sets the process's thread count and ISA cap, and sends the library's warnings to stderr.
void configure_runtime(int threads, Isa max_isa = Isa::automatic);

/// Resident memory of this process in bytes; 0 where the system does not say.
std::int64_t resident_bytes();

/// The most of it that there has been.
std::int64_t peak_resident_bytes();

}  // namespace quern::cli
