#pragma once

#include <cstddef>

namespace quern::fuzz {

/// What operator new was asked for since `watch_allocations` began; zeros under a sanitizer, which
/// brings an operator new of its own (there, a limit on one allocation is set instead).
struct Allocations {
  std::size_t largest = 0;
  std::size_t total = 0;
};

void watch_allocations();
Allocations allocations_seen();

}  // namespace quern::fuzz
