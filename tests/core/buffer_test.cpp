#include "core/buffer.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>

#include "quern/error.h"
#include "quern/runtime.h"
#include "support/error_code.h"
#include "support/runtime_guard.h"

namespace quern {
namespace {

using Allocate = std::shared_ptr<std::byte> (*)(std::size_t bytes);

TEST_CASE("buffers are aligned, their own, and counted for as long as they live") {
  for (const Allocate allocate : {allocate_buffer, allocate_pages}) {
    for (const int shift : {0, 6, 16, 17, 20, 21, 22}) {
      for (const int more : {-1, 0, 1, 4095, 4097}) {
        const std::int64_t before = buffer_bytes_in_use();
        const std::int64_t bytes = (std::int64_t{1} << shift) + more;
        if (bytes <= 0) continue;
        CAPTURE(bytes);
        const auto size = static_cast<std::size_t>(bytes);
        {
          const auto buffer = allocate(size);
          const auto other = allocate(size);
          CHECK(reinterpret_cast<std::uintptr_t>(buffer.get()) % 64 == 0);
          CHECK(buffer_bytes_in_use() == before + 2 * bytes);
          for (const auto& each : {buffer, other}) {
            const auto mark = each == buffer ? std::byte{1} : std::byte{2};
            each.get()[0] = mark;
            each.get()[size - 1] = mark;
          }
          CHECK(buffer.get()[0] == std::byte{1});
          CHECK(buffer.get()[size - 1] == std::byte{1});
        }
        CHECK(buffer_bytes_in_use() == before);
      }
    }
  }
}

TEST_CASE("buffers that pass the memory limit, or any memory, are refused") {
  const RuntimeGuard guard;
  for (const Allocate allocate : {allocate_buffer, allocate_pages}) {
    const std::int64_t before = buffer_bytes_in_use();
    RuntimeOptions limited = guard.before();
    limited.memory_limit = before + 5000000;
    configure(limited);
    CHECK(code_of([&] { allocate(6000000); }) == ErrorCode::out_of_memory);
    CHECK_NOTHROW(allocate(4000000));
    limited.memory_limit = 0;
    configure(limited);
    CHECK(code_of([&] { allocate(std::size_t{1} << 55); }) == ErrorCode::out_of_memory);
    CHECK(code_of([&] { allocate(SIZE_MAX); }) == ErrorCode::out_of_memory);
    CHECK(buffer_bytes_in_use() == before);
  }
}

}  // namespace
}  // namespace quern
