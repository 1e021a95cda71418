#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace quern {

/// Memory for tensors, weights and caches, aligned to 64 bytes and counted against
/// RuntimeOptions::memory_limit. The last owner frees it. Throws: `out_of_memory`.
std::shared_ptr<std::byte> allocate_buffer(std::size_t bytes);

/// Bytes that live buffers hold now.
std::int64_t buffer_bytes_in_use() noexcept;

}  // namespace quern
