#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quern/export.h"
#include "quern/function.h"

namespace quern {

enum class LogLevel { debug, info, warning };

/// Receives the library's messages. Called from any thread, one call at a time.
using LogSink = Function<void(LogLevel, std::string_view)>;

/// The newest instruction set that kernels may use; each name includes those before it.
enum class Isa { automatic, baseline, avx2, avx512, avx512_vnni, avx512_bf16, amx };

/// Settings of the whole process.
struct RuntimeOptions {
  int threads = 0;              ///< threads of one operation; 0: one for each CPU of the process
  int spin_microseconds = 100;  ///< how long an idle thread waits awake for work before it sleeps
  std::int64_t memory_limit =
      0;  ///< bytes the library may allocate for tensors, weights and caches; 0: no limit
  LogSink log = {};              ///< empty: messages are dropped
  Isa max_isa = Isa::automatic;  ///< can be set only before the first operation
};

/// Replaces the settings. Operations that run meanwhile finish under the old ones.
/// Throws: `invalid_argument` on a negative value, or on another `max_isa` after the first
/// operation. Thread-safe.
QUERN_API void configure(const RuntimeOptions& options);
QUERN_API RuntimeOptions runtime_options();

/// What this machine and this build have.
struct RuntimeInfo {
  std::string version;             ///< of quern, "0.1.0"
  std::string onednn_version;      ///< "2.6.3"
  std::string isa;                 ///< what kernels use: "avx512_bf16"
  int threads = 0;                 ///< of one operation
  std::int64_t memory_in_use = 0;  ///< bytes now allocated for tensors, weights and caches
};
QUERN_API RuntimeInfo runtime_info();

}  // namespace quern
