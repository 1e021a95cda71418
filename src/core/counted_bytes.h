#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace quern {

/// Bytes that another library takes from the heap, counted as a buffer's are for as long as this
/// lives. Throws: `out_of_memory`.
class CountedBytes {
 public:
  CountedBytes() = default;
  explicit CountedBytes(std::size_t bytes);
  ~CountedBytes();
  CountedBytes(CountedBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  CountedBytes& operator=(CountedBytes&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }

 private:
  std::int64_t bytes_ = 0;
};

}  // namespace quern
