#include "core/reused_buffers.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <thread>

#include "quern/runtime.h"
#include "support/runtime_guard.h"

using namespace quern;

TEST_CASE("a buffer that was let go is given to the next that asks for its like") {
  ReusedBuffers buffers;
  std::byte* first = nullptr;
  {
    const std::shared_ptr<std::byte> a = buffers.allocate(1000);
    const std::shared_ptr<std::byte> b = buffers.allocate(1000);
    CHECK(a.get() != b.get());
    first = a.get();
  }
  CHECK(buffers.allocate(1000).get() == first);
  CHECK(buffers.allocate(600).get() == first);
  CHECK(buffers.allocate(100).get() != first);
}

TEST_CASE("reused buffers may be let go on another thread, and after their source") {
  const std::int64_t before = buffer_bytes_in_use();
  std::shared_ptr<std::byte> kept;
  {
    ReusedBuffers buffers;
    kept = buffers.allocate(4096);
    std::shared_ptr<std::byte> other = buffers.allocate(4096);
    std::thread([moved = std::move(other)]() mutable { moved.reset(); }).join();
    CHECK(buffer_bytes_in_use() == before + 2 * 4096);
  }
  CHECK(buffer_bytes_in_use() == before + 4096);
  kept.reset();
  CHECK(buffer_bytes_in_use() == before);
}

TEST_CASE("where the memory limit leaves no room, what is kept makes some") {
  const RuntimeGuard guard;
  ReusedBuffers buffers;
  buffers.allocate(1 << 20);
  const std::int64_t kept = buffer_bytes_in_use();
  configure({.memory_limit = kept + 1000});
  CHECK(buffers.allocate(1 << 19) != nullptr);
  CHECK(buffer_bytes_in_use() < kept);
}

TEST_CASE("a buffer is aligned to a cache line, one of huge pages to a huge page") {
  constexpr std::size_t kHugePage = 1 << 21;
  const auto place = [](const std::shared_ptr<std::byte>& buffer) {
    return reinterpret_cast<std::uintptr_t>(buffer.get());
  };
  const std::int64_t before = buffer_bytes_in_use();
  for (const std::size_t bytes : {std::size_t{1}, kHugePage - 1, kHugePage, 3 * kHugePage + 5}) {
    const std::shared_ptr<std::byte> buffer = allocate_buffer(bytes);
    CHECK(place(buffer) % (bytes < kHugePage ? 64 : kHugePage) == 0);
    CHECK(buffer_bytes_in_use() == before + static_cast<std::int64_t>(bytes));
    buffer.get()[bytes - 1] = std::byte{1};
  }
  CHECK(buffer_bytes_in_use() == before);
}
