// One of these is compiled for each target, which QUERN_FUZZ_TARGET names.
#include <cstdint>

#include "fuzz/targets.h"
#include "quern/error.h"
#include "quern/runtime.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  quern::configure({.threads = 1, .memory_limit = std::int64_t{64} << 20});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    quern::fuzz::QUERN_FUZZ_TARGET({reinterpret_cast<const std::byte*>(data), size});
  } catch (const quern::Error&) {
  }
  return 0;
}
