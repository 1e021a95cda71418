#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "core/parallel.h"
#include "quern/runtime.h"
#include "quern/tensor.h"

// How fast this machine reads memory: the limit of everything that touches each weight once.

namespace quern {
namespace {

constexpr std::int64_t kBytes = std::int64_t{1} << 30;

std::uint64_t sum(const std::uint64_t* words, std::int64_t begin, std::int64_t end) {
  constexpr std::size_t kLanes = 32;
  std::array<std::uint64_t, kLanes> lanes{};
  for (std::int64_t i = begin; i + std::int64_t{kLanes} <= end; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] += words[i + static_cast<std::int64_t>(lane)];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t lane : lanes) total += lane;
  return total;
}

void read_memory(benchmark::State& state) {
  RuntimeOptions options;
  options.threads = static_cast<int>(state.range(0));
  configure(options);
  const Tensor words = Tensor::full({kBytes / 8}, 1, DType::u64);
  const std::uint64_t* data = words.data<std::uint64_t>().data();
  for (auto _ : state) {
    std::atomic<std::uint64_t> total = 0;
    parallel_for(words.numel(), 1 << 16,
                 [&](std::int64_t begin, std::int64_t end) { total += sum(data, begin, end); });
    benchmark::DoNotOptimize(total.load());
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(kBytes) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

BENCHMARK(read_memory)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Arg(4)
    ->Arg(8)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quern

BENCHMARK_MAIN();
