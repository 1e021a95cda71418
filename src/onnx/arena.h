#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/buffer.h"

namespace quern::onnx {

/// Where the buffers of a run lie in one block of memory, found by watching a run: runs with the
/// same shapes ask for the same buffers in the same order (Sekiyama et al., "Profile-guided memory
/// optimization for deep neural networks", 2018).
struct ArenaLayout {
  struct Slot {
    std::size_t bytes = 0;
    std::size_t offset = 0;
    std::int32_t place = -1;    ///< in `by_offset`
    bool outlives_run = false;  ///< a result: never from the arena
  };
  std::vector<Slot> slots;
  std::vector<std::int32_t> by_offset;      ///< the slots of the arena, lowest first
  std::vector<std::int32_t> first_of_step;  ///< the slots of step i are [i], [i + 1)
  std::size_t bytes = 0;

  /// What the layout itself takes.
  std::size_t own_bytes() const noexcept;
};

/// Takes buffers from the heap and notes when each is asked for and let go.
class BufferRecorder final : public BufferSource {
 public:
  BufferRecorder();

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;
  /// What is asked for from here on belongs to the next step.
  void begin_step();
  /// What the last step asked for will not be asked for again.
  void forget_step();
  /// Lays out what was asked for. Buffers still held are taken to outlive the run.
  ArenaLayout layout() const;

 private:
  struct Event;
  struct Log;
  std::shared_ptr<Log> log_;
};

/// Gives the buffers of one run out of one block, as a layout says; from the heap where a run asks
/// for something else than the one that was watched did. One run at a time.
class Arena final : public BufferSource {
 public:
  Arena();
  ~Arena() override;

  /// Begins a run: the memory grows to what `layout` takes, which must outlive the run.
  void begin(const ArenaLayout& layout);
  void begin_step(std::size_t step);
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;
  /// Whether `data` lies in the block, and so must not outlive the run.
  bool owns(const void* data) const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace quern::onnx
