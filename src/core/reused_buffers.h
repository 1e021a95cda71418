#pragma once

#include "core/buffer.h"

namespace quern {

/// Keeps the buffers that are let go for those asked for next, of a like size: fresh memory costs a
/// page fault every 4 KB, more than most layers do with it. Holds at most about twice what was in
/// use at once. Buffers may be let go on any thread, and outlive it.
class ReusedBuffers final : public BufferSource {
 public:
  ReusedBuffers();
  ~ReusedBuffers() override;
  ReusedBuffers(const ReusedBuffers&) = delete;
  ReusedBuffers& operator=(const ReusedBuffers&) = delete;

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;

 private:
  struct Shelves;
  std::shared_ptr<Shelves> shelves_;
};

}  // namespace quern
