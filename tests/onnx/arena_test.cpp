#include "onnx/arena.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "core/buffer.h"
#include "onnx/executable.h"
#include "onnx/graph_maker.h"
#include "support/sanitized.h"

namespace quern::onnx {
namespace {

struct Watched {
  std::size_t bytes;
  int begin, end;  ///< steps: asked for in the one, let go before the other
};

ArenaLayout layout_of(const std::vector<Watched>& buffers, int steps) {
  BufferRecorder recorder;
  std::multimap<int, std::shared_ptr<std::byte>> held;
  auto next = buffers.begin();
  for (int step = 0; step < steps; ++step) {
    recorder.begin_step();
    held.erase(step);
    for (; next != buffers.end() && next->begin == step; ++next)
      held.emplace(next->end, recorder.allocate(next->bytes));
  }
  held.clear();
  return recorder.layout();
}

std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

/// The size of the arena by comparing each buffer with each.
std::size_t plain_arena(const std::vector<Watched>& buffers) {
  std::vector<std::size_t> order(buffers.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::size_t i) { return buffers[i].bytes; });
  std::vector<std::pair<std::size_t, std::size_t>> placed;  // offset, buffer
  std::size_t size = 0;
  for (const std::size_t i : order) {
    std::ranges::sort(placed);
    std::size_t offset = 0;
    for (const auto& [there, other] : placed) {
      if (buffers[other].end <= buffers[i].begin || buffers[i].end <= buffers[other].begin)
        continue;
      if (there >= offset + rounded(buffers[i].bytes)) break;
      offset = std::max(offset, there + rounded(buffers[other].bytes));
    }
    placed.emplace_back(offset, i);
    size = std::max(size, offset + rounded(buffers[i].bytes));
  }
  return size;
}

/// Of `count` steps, each with a buffer that lives for up to `longest` steps.
std::vector<Watched> random_buffers(int count, int longest) {
  std::mt19937 random(7);
  std::vector<Watched> buffers;
  for (int i = 0; i < count; ++i) {
    const int life = 1 + static_cast<int>(random() % static_cast<unsigned>(longest));
    buffers.push_back({1 + random() % 5000, i, std::min(count, i + life)});
  }
  return buffers;
}

/// Whether no two buffers that live at once lie on one another.
bool lies_apart(const std::vector<Watched>& buffers, const ArenaLayout& layout) {
  std::vector<std::pair<std::size_t, std::size_t>> live;  // offset, buffer
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    std::erase_if(live, [&](const auto& of) { return buffers[of.second].end <= buffers[i].begin; });
    const std::size_t begin = layout.slots[i].offset;
    for (const auto& [offset, other] : live) {
      if (begin < offset + buffers[other].bytes && offset < begin + buffers[i].bytes) return false;
    }
    if (begin + buffers[i].bytes > layout.bytes) return false;
    live.emplace_back(begin, i);
  }
  return true;
}

}  // namespace

TEST_CASE("an arena is as small as comparing each buffer with each makes it") {
  for (const int longest : {1, 3, 20, 300}) {
    CAPTURE(longest);
    const auto buffers = random_buffers(300, longest);
    const ArenaLayout layout = layout_of(buffers, 300);
    CHECK(layout.bytes == plain_arena(buffers));
    CHECK(lies_apart(buffers, layout));
  }
}

TEST_CASE("layouts of many nodes take time and memory in proportion") {
  for (const int count : {usually(5000, 500), usually(20000, 2000)}) {
    for (const int longest :
         {4, 100, count}) {  // of which the last fills the time with all of them
      CAPTURE(count);
      CAPTURE(longest);
      const auto buffers = random_buffers(count, longest);
      const std::clock_t start = std::clock();
      const ArenaLayout layout = layout_of(buffers, count);
      const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      MESSAGE(count, " nodes, lives of ", longest, ": ", seconds, " s");
      CHECK(layout.own_bytes() <= 64 * static_cast<std::size_t>(count));
      if (longest < count) CHECK(lies_apart(buffers, layout));
      std::int64_t live = 0;
      std::int64_t most = 0;
      std::vector<std::int64_t> change(static_cast<std::size_t>(count) + 1, 0);
      for (const Watched& buffer : buffers) {
        change[static_cast<std::size_t>(buffer.begin)] +=
            static_cast<std::int64_t>(rounded(buffer.bytes));
        change[static_cast<std::size_t>(buffer.end)] -=
            static_cast<std::int64_t>(rounded(buffer.bytes));
      }
      for (const std::int64_t step : change) most = std::max(most, live += step);
      CHECK(layout.bytes <= static_cast<std::size_t>(most + most / 3));
#ifdef NDEBUG  // where the compiler optimises
      CHECK(seconds < 1);
#endif
    }
  }
}

TEST_CASE("plans of many nodes are counted, and take at most 200 bytes a node") {
  for (const int count : {5000, usually(20000, 5000)}) {
    CAPTURE(count);
    GraphMaker maker;
    ValueId value = maker.input("x", {1, 16});
    const ValueId first = value;
    for (int i = 0; i < count; ++i)
      value = i % 8 == 7 ? maker.node("Add", {value, first}) : maker.node("Relu", {value});
    maker.output(value);
    const Executable executable(std::move(maker.graph), 2, 100);
    RunState state;
    const std::vector<Value> inputs{wavy({1, 16})};
    const std::int64_t before = buffer_bytes_in_use();
    const Tensor watched = executable.run(inputs, state)[0].tensor();
    const Tensor planned = executable.run(inputs, state)[0].tensor();
    const std::int64_t taken = buffer_bytes_in_use() - before;
    CHECK(taken <= 200 * count);
    CHECK(taken >= 24 * count);  // the slots alone
    CHECK(watched.at<float>({0, 3}) == planned.at<float>({0, 3}));
  }
}

TEST_CASE("a run that asks for less or lets go later than the one watched gets memory of its own") {
  const std::vector<Watched> buffers{
      {100, 0, 2}, {200, 1, 3}, {100, 2, 4}, {200, 3, 5}, {50, 4, 6}};
  const ArenaLayout layout = layout_of(buffers, 6);
  Arena arena;
  arena.begin(layout);
  std::vector<std::shared_ptr<std::byte>> held;
  for (std::size_t step = 0; step < buffers.size(); ++step) {  // none is let go
    arena.begin_step(step);
    held.push_back(arena.allocate(buffers[step].bytes));
    std::fill_n(held.back().get(), buffers[step].bytes, static_cast<std::byte>(step));
  }
  for (std::size_t step = 0; step < buffers.size(); ++step) {
    CHECK(held[step].get()[0] == static_cast<std::byte>(step));
    CHECK(held[step].get()[buffers[step].bytes - 1] == static_cast<std::byte>(step));
  }
  held.clear();
  arena.begin(layout);
  arena.begin_step(0);
  CHECK(arena.owns(arena.allocate(100).get()));
}

}  // namespace quern::onnx
