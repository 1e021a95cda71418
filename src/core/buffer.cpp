#include "core/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <utility>

#include "core/counted_bytes.h"
#include "core/error.h"
#include "core/runtime.h"

namespace quern {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{1} << 21;

#ifdef __SANITIZE_ADDRESS__
#define QUERN_HEAP_IS_WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUERN_HEAP_IS_WATCHED
#endif
#endif

// allocate_pages takes less from the heap, and all where the address sanitizer watches it.
#ifdef QUERN_HEAP_IS_WATCHED
constexpr std::size_t kMapped = SIZE_MAX;
#else
constexpr std::size_t kMapped = std::size_t{1} << 17;
#endif

constexpr std::size_t kMostBytes = std::size_t{1} << 56;  // sums of what threads ask for fit too
std::atomic<std::int64_t> bytes_in_use{0};
thread_local BufferSource* buffer_source = nullptr;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes < kHugePage ? kAlignment : kHugePage};
}

std::size_t pages_of(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

/// Whole huge pages, where the system gives them on request: a page fault and an entry of the TLB
/// for 512 pages. The host of a virtual machine may have taken back what was free for a while, huge
/// pages first, and then the first touch of each takes milliseconds: one such ends the asking.
void ask_for_huge_pages([[maybe_unused]] std::byte* data, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  using Clock = std::chrono::steady_clock;
  constexpr auto kSlow = std::chrono::milliseconds(1);  // to clear one takes a tenth of it
  static std::atomic<bool> are_slow{false};
  if (data == nullptr || bytes < kHugePage || are_slow.load(std::memory_order_relaxed)) return;
  const std::size_t whole = bytes / kHugePage * kHugePage;
  ::madvise(data, whole, MADV_HUGEPAGE);
  const Clock::time_point start = Clock::now();
  *static_cast<volatile std::byte*>(data) = std::byte{0};
  if (Clock::now() - start < kSlow) return;
  are_slow.store(true, std::memory_order_relaxed);
  ::madvise(data, whole, MADV_NOHUGEPAGE);
#endif
}

/// Memory of `bytes`, or null.
std::byte* take(std::size_t bytes) noexcept {
  auto* data = static_cast<std::byte*>(::operator new(bytes, alignment_of(bytes), std::nothrow));
  ask_for_huge_pages(data, bytes);
  return data;
}

void release(std::byte* data, std::size_t bytes) noexcept {
  ::operator delete(data, alignment_of(bytes));
}

std::byte* map_pages(std::size_t bytes) noexcept {
  const std::size_t whole = pages_of(bytes);
  const std::size_t spare = bytes < kHugePage ? 0 : kHugePage;
  void* taken =
      ::mmap(nullptr, whole + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (taken == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(taken);
  if (spare > 0) {
    const std::size_t before = (0 - reinterpret_cast<std::uintptr_t>(begin)) % kHugePage;
    if (before > 0) ::munmap(begin, before);
    begin += before;
    ::munmap(begin + whole, spare - before);
  }
  ask_for_huge_pages(begin, bytes);
  return begin;
}

void unmap_pages(std::byte* data, std::size_t bytes) noexcept { ::munmap(data, pages_of(bytes)); }

void count(std::size_t bytes) {
  if (bytes > kMostBytes)
    fail(ErrorCode::out_of_memory, "allocate: {} bytes do not fit in memory", bytes);
  const auto size = static_cast<std::int64_t>(bytes);
  const std::int64_t limit = memory_limit();
  const std::int64_t total = bytes_in_use.fetch_add(size, std::memory_order_relaxed) + size;
  if (limit > 0 && total > limit) {
    bytes_in_use.fetch_sub(size, std::memory_order_relaxed);
    fail(ErrorCode::out_of_memory,
         "allocate: {} bytes pass the memory limit of {} bytes ({} in use)", bytes, limit,
         total - size);
  }
}

void count_off(std::size_t bytes) noexcept {
  bytes_in_use.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
}

/// Memory of `bytes` from `take`, counted until `give_back` has it.
template <auto take, auto give_back>
std::shared_ptr<std::byte> counted(std::size_t bytes) {
  count(bytes);
  std::byte* data = take(bytes);
  if (data == nullptr) {
    count_off(bytes);
    fail(ErrorCode::out_of_memory, "allocate: no memory for {} bytes", bytes);
  }
  return {data, [bytes](std::byte* memory) {
            give_back(memory, bytes);
            count_off(bytes);
          }};
}

}  // namespace

std::shared_ptr<std::byte> allocate_buffer(std::size_t bytes) {
  if (buffer_source != nullptr) {
    // A source that falls back to the heap must not come back here.
    BufferSource* const source = buffer_source;
    const BufferScope heap(nullptr);
    return source->allocate(bytes);
  }
  return counted<take, release>(bytes);
}

std::shared_ptr<std::byte> allocate_pages(std::size_t bytes) {
  return bytes < kMapped ? counted<take, release>(bytes) : counted<map_pages, unmap_pages>(bytes);
}

CountedBytes::CountedBytes(std::size_t bytes) : bytes_(static_cast<std::int64_t>(bytes)) {
  count(bytes);
}
CountedBytes::~CountedBytes() { count_off(static_cast<std::size_t>(bytes_)); }

BufferScope::BufferScope(BufferSource* source) noexcept
    : before_(std::exchange(buffer_source, source)) {}
BufferScope::~BufferScope() { buffer_source = before_; }

bool has_buffer_source() noexcept { return buffer_source != nullptr; }

std::int64_t buffer_bytes_in_use() noexcept { return bytes_in_use.load(std::memory_order_relaxed); }

}  // namespace quern
