#include "core/buffer.h"

#include <sys/mman.h>

#include <atomic>
#include <new>
#include <utility>

#include "core/error.h"
#include "core/runtime.h"

namespace quern {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;
constexpr std::size_t kMostBytes = std::size_t{1} << 56;  // sums of what threads ask for fit too
std::atomic<std::int64_t> bytes_in_use{0};
thread_local BufferSource* buffer_source = nullptr;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < kHugePage ? kAlignment : kHugePage};
}

/// Memory of `bytes`, or null. Whole huge pages of it are asked for as such, where the system gives
/// them on request: a page fault and an entry of the TLB for 512 pages.
std::byte* take(std::size_t bytes) noexcept {
  auto* data = static_cast<std::byte*>(::operator new(bytes, alignment_of(bytes), std::nothrow));
#ifdef MADV_HUGEPAGE
  if (data != nullptr && bytes >= kHugePage)
    ::madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data;
}

void release(std::byte* data, std::int64_t bytes) noexcept {
  ::operator delete(data, alignment_of(static_cast<std::size_t>(bytes)));
  bytes_in_use.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace

std::shared_ptr<std::byte> allocate_buffer(std::size_t bytes) {
  if (buffer_source != nullptr) {
    // A source that falls back to the heap must not come back here.
    BufferSource* const source = buffer_source;
    const BufferScope heap(nullptr);
    return source->allocate(bytes);
  }
  if (bytes > kMostBytes)
    fail(ErrorCode::out_of_memory, "allocate: {} bytes do not fit in memory", bytes);
  const auto counted = static_cast<std::int64_t>(bytes);
  const std::int64_t limit = memory_limit();
  const std::int64_t total = bytes_in_use.fetch_add(counted, std::memory_order_relaxed) + counted;
  if (limit > 0 && total > limit) {
    bytes_in_use.fetch_sub(counted, std::memory_order_relaxed);
    fail(ErrorCode::out_of_memory,
         "allocate: {} bytes pass the memory limit of {} bytes ({} in use)", bytes, limit,
         total - counted);
  }
  std::byte* data = take(bytes);
  if (data == nullptr) {
    bytes_in_use.fetch_sub(counted, std::memory_order_relaxed);
    fail(ErrorCode::out_of_memory, "allocate: no memory for {} bytes", bytes);
  }
  return {data, [counted](std::byte* memory) { release(memory, counted); }};
}

BufferScope::BufferScope(BufferSource* source) noexcept
    : before_(std::exchange(buffer_source, source)) {}
BufferScope::~BufferScope() { buffer_source = before_; }

std::int64_t buffer_bytes_in_use() noexcept { return bytes_in_use.load(std::memory_order_relaxed); }

}  // namespace quern
