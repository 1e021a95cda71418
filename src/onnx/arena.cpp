#include "onnx/arena.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <utility>

#include "core/counted_bytes.h"
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
  for (auto event = log_->events.rbegin(); event != log_->events.rend(); ++event) {
    if (event->step != log_->steps - 1) break;
    event->bytes = 0;
  }
}

// ---- Laying out ----

namespace {

std::size_t round_up(std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// When a slot's buffer is asked for and let go.
struct Lifetime {
  std::int32_t slot;
  std::int64_t begin, end;
};

/// Those of `lives`, in the order of their beginnings, that were added, by when they are alive.
class LivesInTime {
 public:
  explicit LivesInTime(std::span<const Lifetime> lives) : lives_(lives) {
    while (leaves_ < lives.size()) leaves_ *= 2;
    latest_.assign(2 * leaves_, -1);
  }

  void add(std::size_t index) {
    std::size_t node = leaves_ + index;
    latest_[node] = lives_[index].end;
    while ((node /= 2) > 0) latest_[node] = std::max(latest_[node], lives_[index].end);
  }
  /// Calls `visit` with each that is alive at some time that `life` is.
  template <class Visit>
  void visit_beside(const Lifetime& life, const Visit& visit) const {
    const auto behind = std::ranges::lower_bound(lives_, life.end, {}, &Lifetime::begin);
    descend(1, 0, leaves_, static_cast<std::size_t>(behind - lives_.begin()), life.begin, visit);
  }

 private:
  template <class Visit>
  void descend(std::size_t node, std::size_t first, std::size_t count, std::size_t behind,
               std::int64_t after, const Visit& visit) const {
    if (first >= behind || latest_[node] <= after) return;
    if (count == 1) return visit(first);
    descend(2 * node, first, count / 2, behind, after, visit);
    descend(2 * node + 1, first + count / 2, count / 2, behind, after, visit);
  }

  std::span<const Lifetime> lives_;
  std::size_t leaves_ = 1;
  std::vector<std::int64_t> latest_;  ///< a tree of the ends of what was added
};

/// Largest first, each at the lowest place free for as long as it lives (Pisarchyk and Lee,
/// "Efficient memory management for deep neural net inference", 2020). False where so many live at
/// once that it takes too long.
bool place_by_size(std::span<const Lifetime> lives, ArenaLayout& layout) {
  constexpr std::size_t kMostPairs = std::size_t{1} << 21;
  const auto slot_of = [&](std::size_t i) -> ArenaLayout::Slot& {
    return layout.slots[static_cast<std::size_t>(lives[i].slot)];
  };
  std::vector<std::size_t> by_size(lives.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::ranges::stable_sort(by_size, std::ranges::greater{},
                           [&](std::size_t i) { return slot_of(i).bytes; });
  LivesInTime placed(lives);
  std::vector<std::pair<std::size_t, std::size_t>> beside;  // offsets: first, one past the last
  std::size_t pairs = 0;
  for (const std::size_t i : by_size) {
    beside.clear();
    placed.visit_beside(lives[i], [&](std::size_t other) {
      const ArenaLayout::Slot& there = slot_of(other);
      beside.emplace_back(there.offset, there.offset + round_up(there.bytes));
    });
    pairs += beside.size();
    if (pairs > kMostPairs) return false;
    std::ranges::sort(beside);
    ArenaLayout::Slot& slot = slot_of(i);
    slot.offset = 0;
    for (const auto& [begin, end] : beside) {
      if (begin >= slot.offset + round_up(slot.bytes)) break;
      slot.offset = std::max(slot.offset, end);
    }
    placed.add(i);
  }
  return true;
}

/// Memory as a heap gives it out: the smallest free block that is large enough.
class FreeBlocks {
 public:
  std::size_t take(std::size_t bytes) {
    const auto found = by_size_.lower_bound({bytes, 0});
    if (found == by_size_.end()) {
      const auto last = by_offset_.empty() ? by_offset_.end() : std::prev(by_offset_.end());
      const bool ends_free = last != by_offset_.end() && last->first + last->second == top_;
      const std::size_t offset = ends_free ? last->first : top_;
      if (ends_free) remove(last->first, last->second);
      top_ = offset + bytes;
      return offset;
    }
    const auto [size, offset] = *found;
    remove(offset, size);
    if (size > bytes) add(offset + bytes, size - bytes);
    return offset;
  }
  void give_back(std::size_t offset, std::size_t bytes) {
    const auto next = by_offset_.lower_bound(offset);
    if (next != by_offset_.begin()) {
      const auto [before, size] = *std::prev(next);
      if (before + size == offset) {
        remove(before, size);
        return give_back(before, size + bytes);
      }
    }
    if (next != by_offset_.end() && next->first == offset + bytes) {
      bytes += next->second;
      remove(next->first, next->second);
    }
    add(offset, bytes);
  }

 private:
  void add(std::size_t offset, std::size_t bytes) {
    by_offset_.emplace(offset, bytes);
    by_size_.emplace(bytes, offset);
  }
  void remove(std::size_t offset, std::size_t bytes) {
    by_size_.erase({bytes, offset});
    by_offset_.erase(offset);
  }

  std::map<std::size_t, std::size_t> by_offset_;
  std::set<std::pair<std::size_t, std::size_t>> by_size_;
  std::size_t top_ = 0;
};

/// In the order of time.
void place_by_time(std::span<const Lifetime> lives, ArenaLayout& layout) {
  std::vector<std::pair<std::int64_t, ArenaLayout::Slot*>> ends;
  for (const Lifetime& life : lives)
    ends.emplace_back(life.end, &layout.slots[static_cast<std::size_t>(life.slot)]);
  std::ranges::sort(ends);
  auto ended = ends.begin();
  FreeBlocks memory;
  for (const Lifetime& life : lives) {
    for (; ended != ends.end() && ended->first <= life.begin; ++ended)
      memory.give_back(ended->second->offset, round_up(ended->second->bytes));
    ArenaLayout::Slot& slot = layout.slots[static_cast<std::size_t>(life.slot)];
    slot.offset = memory.take(round_up(slot.bytes));
  }
}

}  // namespace

ArenaLayout BufferRecorder::layout() const {
  ArenaLayout layout;
  layout.first_of_step.assign(static_cast<std::size_t>(log_->steps) + 1, 0);
  std::vector<Lifetime> lives;
  for (const Event& event : log_->events) {
    if (event.bytes == 0) continue;
    const bool outlives_run = event.end == std::numeric_limits<std::int64_t>::max();
    if (!outlives_run)
      lives.push_back({static_cast<std::int32_t>(layout.slots.size()), event.begin, event.end});
    layout.slots.push_back({event.bytes, 0, -1, outlives_run});
    ++layout.first_of_step[static_cast<std::size_t>(event.step) + 1];
  }
  for (std::size_t i = 1; i < layout.first_of_step.size(); ++i)
    layout.first_of_step[i] += layout.first_of_step[i - 1];
  if (!place_by_size(lives, layout)) place_by_time(lives, layout);
  for (const Lifetime& life : lives) layout.by_offset.push_back(life.slot);
  std::ranges::stable_sort(layout.by_offset, {}, [&](std::int32_t slot) {
    return layout.slots[static_cast<std::size_t>(slot)].offset;
  });
  for (std::size_t i = 0; i < layout.by_offset.size(); ++i) {
    ArenaLayout::Slot& slot = layout.slots[static_cast<std::size_t>(layout.by_offset[i])];
    slot.place = static_cast<std::int32_t>(i);
    layout.bytes = std::max(layout.bytes, slot.offset + round_up(slot.bytes));
  }
  layout.slots.shrink_to_fit();
  return layout;
}

std::size_t ArenaLayout::own_bytes() const noexcept {
  return slots.capacity() * sizeof(Slot) +
         (by_offset.capacity() + first_of_step.capacity()) * sizeof(std::int32_t);
}

// ---- Giving out what was laid out ----

namespace {

/// Numbers of [0, size) in their order.
class SortedSet {
 public:
  SortedSet() = default;
  explicit SortedSet(std::size_t size) {
    do {
      size = (size + kBits - 1) / kBits;
      levels_.emplace_back(size, 0);
    } while (size > 1);
  }

  bool contains(std::int32_t number) const {
    return (levels_[0][word(number)] >> bit(number) & 1) != 0;
  }
  void add(std::int32_t number) noexcept {
    for (auto& level : levels_) {
      level[word(number)] |= std::uint64_t{1} << bit(number);
      number = static_cast<std::int32_t>(word(number));
    }
  }
  void remove(std::int32_t number) noexcept {
    for (auto& level : levels_) {
      std::uint64_t& bits = level[word(number)];
      bits &= ~(std::uint64_t{1} << bit(number));
      if (bits != 0) return;
      number = static_cast<std::int32_t>(word(number));
    }
  }
  /// The largest number below; -1 where there is none.
  std::int32_t before(std::int32_t number) const {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      const std::uint64_t below =
          levels_[level][word(number)] & ((std::uint64_t{1} << bit(number)) - 1);
      number = static_cast<std::int32_t>(word(number));
      if (below != 0) return descend(level, number, below, last);
    }
    return -1;
  }
  /// The smallest number above; -1 where there is none.
  std::int32_t after(std::int32_t number) const {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      const std::uint64_t above = levels_[level][word(number)] & (~std::uint64_t{1} << bit(number));
      number = static_cast<std::int32_t>(word(number));
      if (above != 0) return descend(level, number, above, first);
    }
    return -1;
  }

 private:
  static constexpr std::size_t kBits = 64;
  static std::size_t word(std::int32_t number) { return static_cast<std::size_t>(number) / kBits; }
  static std::size_t bit(std::int32_t number) { return static_cast<std::size_t>(number) % kBits; }
  static int first(std::uint64_t bits) { return std::countr_zero(bits); }
  static int last(std::uint64_t bits) { return std::bit_width(bits) - 1; }

  std::int32_t descend(std::size_t level, std::int32_t at, std::uint64_t bits,
                       int (*choose)(std::uint64_t)) const {
    for (;;) {
      at = at * static_cast<std::int32_t>(kBits) + choose(bits);
      if (level == 0) return at;
      bits = levels_[--level][static_cast<std::size_t>(at)];
    }
  }

  std::vector<std::vector<std::uint64_t>> levels_;  ///< a bit a number, then a bit a word below
};

}  // namespace

struct Arena::State {
  static constexpr std::size_t kControlBytes = 96;

  /// The control block of the pointer that was given out for a slot, so that a run with known
  /// shapes takes nothing from the heap.
  struct Use {
    alignas(std::max_align_t) std::array<std::byte, kControlBytes> control;
  };

  std::shared_ptr<std::byte> memory;
  std::size_t capacity = 0;
  const ArenaLayout* layout = nullptr;
  CountedBytes counted;  ///< of what follows
  std::vector<Use> uses;
  SortedSet live;  ///< places of slots in use
  std::size_t next = 0;
  std::size_t end = 0;

  const ArenaLayout::Slot& at(std::int32_t place) const {
    return layout
        ->slots[static_cast<std::size_t>(layout->by_offset[static_cast<std::size_t>(place)])];
  }
  /// Slots in use lie apart, so that its neighbours among them are all that may lie on this one.
  bool is_free(const ArenaLayout::Slot& slot) const {
    if (live.contains(slot.place)) return false;
    const std::int32_t before = live.before(slot.place);
    const std::int32_t after = live.after(slot.place);
    return (before < 0 || at(before).offset + at(before).bytes <= slot.offset) &&
           (after < 0 || slot.offset + slot.bytes <= at(after).offset);
  }
};

namespace {

/// Puts the control block of a shared_ptr where it is told, and says when it is gone.
template <class T, class Use>
struct InSlot {
  using value_type = T;
  Use* use;
  SortedSet* live;
  std::int32_t place;

  InSlot(Use* use_of, SortedSet* live_of, std::int32_t place_of)
      : use(use_of), live(live_of), place(place_of) {}
  template <class U>
  InSlot(const InSlot<U, Use>& other) : use(other.use), live(other.live), place(other.place) {}
  template <class U>
  struct rebind {
    using other = InSlot<U, Use>;
  };

  T* allocate(std::size_t count) {
    static_assert(sizeof(T) <= sizeof(use->control));
    require(count == 1, "arena: one control block expected");
    live->add(place);
    return reinterpret_cast<T*>(use->control.data());
  }
  void deallocate(T*, std::size_t) noexcept { live->remove(place); }
  bool operator==(const InSlot& other) const { return use == other.use; }
};

}  // namespace

Arena::Arena() : state_(std::make_shared<State>()) {}
Arena::~Arena() = default;

void Arena::begin(const ArenaLayout& layout) {
  State& state = *state_;
  if (state.layout != &layout) {
    state.layout = nullptr;
    const std::size_t count = layout.slots.size();
    if (count > state.uses.size()) {
      state.uses = {};
      state.counted = CountedBytes(count * sizeof(State::Use) + count / 4);
      state.uses.resize(count);
    }
    state.live = SortedSet(layout.by_offset.size());
    state.layout = &layout;
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
    if (slot.outlives_run || !state.is_free(slot)) break;
    return std::shared_ptr<std::byte>(
        state.memory.get() + slot.offset, [](std::byte*) {},
        InSlot<std::byte, State::Use>(&use, &state.live, slot.place));
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
