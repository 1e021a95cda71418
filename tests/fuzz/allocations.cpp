#include "fuzz/allocations.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "support/sanitized.h"

namespace quern::fuzz {
namespace {

thread_local Allocations seen;

}  // namespace

void watch_allocations() { seen = {}; }
Allocations allocations_seen() { return seen; }

}  // namespace quern::fuzz

#if defined(QUERN_TEST_ASAN) || defined(QUERN_TEST_TSAN)

extern "C" const char* __asan_default_options() {
  return "max_allocation_size_mb=64:allocator_may_return_null=0";
}

#else

namespace {

void* count(std::size_t size, void* memory) {
  auto& seen = quern::fuzz::seen;
  seen.largest = std::max(seen.largest, size);
  seen.total += size;
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return count(size, std::malloc(size > 0 ? size : 1)); }

void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return count(size, std::aligned_alloc(unit, (size + unit) / unit * unit));
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#endif
