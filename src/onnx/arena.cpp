#include "onnx/arena.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"

namespace quern::onnx {

// ---- Watching a run ----

struct BufferRecorder::Event {
  std::size_t bytes;
  std::int32_t step;
  std::int64_t begin;
  std::int64_t end;  ///< the clock when it was let go; the largest number while it is held
};

struct BufferRecorder::Log {
  std::vector<Event> events;
  std::int64_t clock = 0;
  std::int32_t steps = 0;
};

BufferRecorder::BufferRecorder() : log_(std::make_shared<Log>()) {}

std::shared_ptr<std::byte> BufferRecorder::allocate(std::size_t bytes) {
  std::shared_ptr<std::byte> buffer = allocate_pages(bytes);
  const std::size_t place = log_->events.size();
  log_->events.push_back(
      {bytes, log_->steps - 1, log_->clock++, std::numeric_limits<std::int64_t>::max()});
  std::byte* data = buffer.get();
  return {data, [log = std::weak_ptr(log_), place, buffer = std::move(buffer)](std::byte*) {
            if (const auto held = log.lock()) held->events[place].end = held->clock++;
          }};
}

void BufferRecorder::begin_step() { ++log_->steps; }

void BufferRecorder::forget_step() {
  for (Event& event : log_->events) {
    if (event.step == log_->steps - 1) event.bytes = 0;
  }
}

ArenaLayout BufferRecorder::layout() const {
  constexpr std::size_t kAlignment = 64;
  const auto round_up = [](std::size_t n) {
    return (n + kAlignment - 1) / kAlignment * kAlignment;
  };
  std::vector<Event> events;
  std::ranges::copy_if(log_->events, std::back_inserter(events),
                       [](const Event& event) { return event.bytes > 0; });
  ArenaLayout layout;
  layout.slots.resize(events.size());
  layout.first_of_step.assign(static_cast<std::size_t>(log_->steps) + 1, 0);
  for (const Event& event : events)
    ++layout.first_of_step[static_cast<std::size_t>(event.step) + 1];
  for (std::size_t i = 1; i < layout.first_of_step.size(); ++i)
    layout.first_of_step[i] += layout.first_of_step[i - 1];

  // Largest first, each at the lowest place free for as long as it lives (Pisarchyk and Lee,
  // "Efficient memory management for deep neural net inference", 2020).
  std::vector<std::int32_t> by_size(events.size());
  for (std::size_t i = 0; i < by_size.size(); ++i) by_size[i] = static_cast<std::int32_t>(i);
  std::ranges::stable_sort(by_size, [&](std::int32_t a, std::int32_t b) {
    return events[static_cast<std::size_t>(a)].bytes > events[static_cast<std::size_t>(b)].bytes;
  });
  std::vector<std::int32_t> placed;  // by offset
  for (const std::int32_t index : by_size) {
    const Event& event = events[static_cast<std::size_t>(index)];
    ArenaLayout::Slot& slot = layout.slots[static_cast<std::size_t>(index)];
    slot.bytes = event.bytes;
    slot.outlives_run = event.end == std::numeric_limits<std::int64_t>::max();
    if (slot.outlives_run) continue;
    for (const std::int32_t other : placed) {
      const Event& theirs = events[static_cast<std::size_t>(other)];
      const ArenaLayout::Slot& there = layout.slots[static_cast<std::size_t>(other)];
      const bool together = theirs.begin < event.end && event.begin < theirs.end;
      if (!together) continue;
      if (there.offset >= slot.offset + round_up(slot.bytes)) break;
      slot.offset = std::max(slot.offset, there.offset + round_up(there.bytes));
    }
    const auto place = std::ranges::upper_bound(placed, slot.offset, {}, [&](std::int32_t other) {
      return layout.slots[static_cast<std::size_t>(other)].offset;
    });
    placed.insert(place, index);
    layout.bytes = std::max(layout.bytes, slot.offset + round_up(slot.bytes));
  }
  for (const std::int32_t a : placed) {
    ArenaLayout::Slot& slot = layout.slots[static_cast<std::size_t>(a)];
    for (const std::int32_t b : placed) {
      const ArenaLayout::Slot& other = layout.slots[static_cast<std::size_t>(b)];
      if (a != b && slot.offset < other.offset + other.bytes &&
          other.offset < slot.offset + slot.bytes)
        slot.overlaps.push_back(b);
    }
  }
  return layout;
}

// ---- Giving out what was laid out ----

struct Arena::State {
  static constexpr std::size_t kControlBytes = 96;

  /// One slot's use; it also stores the control block of the pointer that was given out, so that a
  /// run with known shapes takes nothing from the heap.
  struct Use {
    alignas(std::max_align_t) std::array<std::byte, kControlBytes> control;
    bool live = false;
  };

  std::shared_ptr<std::byte> memory;
  std::size_t capacity = 0;
  const ArenaLayout* layout = nullptr;
  std::vector<Use> uses;
  std::size_t next = 0;
  std::size_t end = 0;

  bool is_free(const ArenaLayout::Slot& slot, const Use& use) const {
    return !use.live && std::ranges::none_of(slot.overlaps, [&](std::int32_t other) {
      return uses[static_cast<std::size_t>(other)].live;
    });
  }
};

namespace {

/// Puts the control block of a shared_ptr where it is told, and says when it is gone.
template <class T, class Use>
struct InSlot {
  using value_type = T;
  Use* use;

  explicit InSlot(Use* use_of) : use(use_of) {}
  template <class U>
  InSlot(const InSlot<U, Use>& other) : use(other.use) {}
  template <class U>
  struct rebind {
    using other = InSlot<U, Use>;
  };

  T* allocate(std::size_t count) {
    static_assert(sizeof(T) <= sizeof(use->control));
    require(count == 1, "arena: one control block expected");
    use->live = true;
    return reinterpret_cast<T*>(use->control.data());
  }
  void deallocate(T*, std::size_t) noexcept { use->live = false; }
  bool operator==(const InSlot& other) const { return use == other.use; }
};

}  // namespace

Arena::Arena() : state_(std::make_shared<State>()) {}
Arena::~Arena() = default;

void Arena::begin(const ArenaLayout& layout) {
  State& state = *state_;
  if (state.layout != &layout) {
    state.layout = &layout;
    state.uses.assign(layout.slots.size(), State::Use{});
  }
  if (layout.bytes > state.capacity) {
    state.memory.reset();
    state.capacity = 0;
    state.memory = allocate_buffer(layout.bytes);
    state.capacity = layout.bytes;
  }
}

void Arena::begin_step(std::size_t step) {
  state_->next = static_cast<std::size_t>(state_->layout->first_of_step[step]);
  state_->end = static_cast<std::size_t>(state_->layout->first_of_step[step + 1]);
}

std::shared_ptr<std::byte> Arena::allocate(std::size_t bytes) {
  State& state = *state_;
  for (std::size_t i = state.next; i < state.end; ++i) {
    const ArenaLayout::Slot& slot = state.layout->slots[i];
    if (slot.bytes != bytes) continue;
    state.next = i + 1;
    State::Use& use = state.uses[i];
    if (slot.outlives_run || !state.is_free(slot, use)) break;
    return std::shared_ptr<std::byte>(
        state.memory.get() + slot.offset, [](std::byte*) {}, InSlot<std::byte, State::Use>(&use));
  }
  return allocate_buffer(bytes);
}

bool Arena::owns(const void* data) const noexcept {
  const auto* at = static_cast<const std::byte*>(data);
  const std::byte* memory = state_->memory.get();
  return memory != nullptr && !std::less<>{}(at, memory) &&
         std::less<>{}(at, memory + state_->capacity);
}

}  // namespace quern::onnx
