#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace quern {

/// Memory for tensors, weights and caches, aligned to 64 bytes and counted against
/// RuntimeOptions::memory_limit. The last owner frees it. Throws: `out_of_memory`.
std::shared_ptr<std::byte> allocate_buffer(std::size_t bytes);

/// The same from the system itself, unless it is small: with the last owner it goes back there and
/// leaves no hole in the heap. Slow where it is done again and again.
std::shared_ptr<std::byte> allocate_pages(std::size_t bytes);

/// Somewhere else to take the buffers of a thread from.
class BufferSource {
 public:
  virtual ~BufferSource() = default;
  /// As allocate_buffer.
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
};

/// While it lives, allocate_buffer on this thread asks `source`; null: the heap, for buffers that
/// outlive the work they are made in (packed weights, scratch that a thread keeps).
class BufferScope {
 public:
  explicit BufferScope(BufferSource* source) noexcept;
  ~BufferScope();
  BufferScope(const BufferScope&) = delete;
  BufferScope& operator=(const BufferScope&) = delete;

 private:
  BufferSource* before_;
};

/// Whether this thread's buffers come from a source, which makes short-lived ones cheap.
bool has_buffer_source() noexcept;

/// Bytes that live buffers hold now.
std::int64_t buffer_bytes_in_use() noexcept;

}  // namespace quern
