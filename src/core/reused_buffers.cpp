#include "core/reused_buffers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <vector>

#include "core/error.h"

namespace quern {

/// What is not in use, by the power of two that it is of.
struct ReusedBuffers::Shelves {
  using Buffer = std::shared_ptr<std::byte>;

  std::mutex mutex;
  std::array<std::vector<Buffer>, 64> buffers;
  bool closed = false;

  /// Null where there is none.
  Buffer take(int power) {
    const std::scoped_lock lock(mutex);
    auto& shelf = buffers[static_cast<std::size_t>(power)];
    if (shelf.empty()) return nullptr;
    Buffer taken = std::move(shelf.back());
    shelf.pop_back();
    return taken;
  }

  void put_back(int power, Buffer buffer) noexcept {
    const std::scoped_lock lock(mutex);
    if (closed) return;
    try {
      buffers[static_cast<std::size_t>(power)].push_back(std::move(buffer));
    } catch (...) {  // no memory to remember it by: it is freed
    }
  }

  void clear() {
    const std::scoped_lock lock(mutex);
    for (auto& shelf : buffers) shelf.clear();
  }
};

ReusedBuffers::ReusedBuffers() : shelves_(std::make_shared<Shelves>()) {}

ReusedBuffers::~ReusedBuffers() {
  const std::scoped_lock lock(shelves_->mutex);
  shelves_->closed = true;
  for (auto& shelf : shelves_->buffers) shelf.clear();
}

std::shared_ptr<std::byte> ReusedBuffers::allocate(std::size_t bytes) {
  constexpr std::size_t kLeast = 64;
  constexpr std::size_t kMost = std::size_t{1} << 40;
  if (bytes > kMost) return allocate_buffer(bytes);
  const std::size_t size = std::bit_ceil(std::max(bytes, kLeast));
  const int power = std::countr_zero(size);
  std::shared_ptr<std::byte> buffer = shelves_->take(power);
  if (buffer == nullptr) {
    try {
      buffer = allocate_buffer(size);
    } catch (const Error&) {
      shelves_->clear();
      return allocate_buffer(bytes);
    }
  }
  std::byte* const data = buffer.get();
  return {data, [shelves = shelves_, power, kept = std::move(buffer)](std::byte*) mutable {
            shelves->put_back(power, std::move(kept));
          }};
}

}  // namespace quern
