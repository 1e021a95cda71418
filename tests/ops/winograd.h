#pragma once

#include "quern/runtime.h"

namespace quern {

/// Whether oneDNN has Winograd's algorithm for this machine.
inline bool has_winograd() {
  const RuntimeInfo machine = runtime_info();
  return machine.onednn_version.starts_with("2.") &&
         (machine.isa.starts_with("avx512") || machine.isa == "amx");
}

}  // namespace quern
