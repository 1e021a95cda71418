#pragma once

#include <cstdio>
#include <cstdlib>

#include "quern/error.h"
#include "quern/weights.h"

namespace quern::fuzz {

/// Runs `read` and lets pass only the errors that a hostile file may give.
template <class Read>
void allow_refusal(const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt_file || error.code() == ErrorCode::unsupported) throw;
    std::fprintf(stderr, "%s: %s\n", std::string(to_string(error.code())).c_str(), error.what());
    std::abort();
  }
}

/// Reads every byte of a weight, and decodes it where that is quick.
inline void use(const Weight& weight) {
  constexpr std::int64_t kQuick = 1 << 14;
  unsigned sum = 0;
  for (const std::byte byte : weight.bytes()) sum += static_cast<unsigned>(byte);
  [[maybe_unused]] volatile unsigned sink = sum;
  if (weight.shape().numel() <= kQuick) weight.tensor(DType::f64);
}

}  // namespace quern::fuzz
