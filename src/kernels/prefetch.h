#pragma once

#include <cstdint>

#include <hwy/cache_control.h>

namespace quern::kernels {

/// Asks for the `count` bytes from `first` on to be near when they are read. They need not exist: a
/// prefetch does not fault. Always inline, as GCC drops calls that do nothing else.
HWY_INLINE void prefetch(const std::uint8_t* first, std::int64_t count) {
  constexpr std::int64_t kLine = 64;
  for (std::int64_t at = 0; at < count; at += kLine) hwy::Prefetch(first + at);
}

}  // namespace quern::kernels
