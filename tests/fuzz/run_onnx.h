#pragma once

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "quern/error.h"
#include "quern/runtime.h"

namespace quern::fuzz {

/// Runs `run` in bounded memory and lets any Error pass but one that blames the library itself.
template <class Run>
void allow_errors(const Run& run) {
  constexpr std::int64_t kMemory = 256 << 20;
  if (runtime_options().memory_limit != kMemory) configure({.threads = 1, .memory_limit = kMemory});
  try {
    run();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::internal) return;
    std::fprintf(stderr, "internal: %s\n", error.what());
    std::abort();
  }
}

}  // namespace quern::fuzz
