#include "core/parallel.h"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/runtime.h"
#include "support/runtime_guard.h"
#include "support/sanitized.h"

using namespace quern;

namespace {

void use_threads(int count) {
  RuntimeOptions options = runtime_options();
  options.threads = count;
  configure(options);
}

// How often each of [0, count) was covered.
std::vector<int> coverage(std::int64_t count, std::int64_t grain) {
  std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++times[static_cast<std::size_t>(i)];
  });
  return {times.begin(), times.end()};
}

}  // namespace

TEST_CASE("parallel_for covers the range exactly once, whatever the count, grain and threads") {
  const RuntimeGuard guard;
  for (const int threads : {1, 2, 3, 7}) {
    use_threads(threads);
    for (const std::int64_t count : {0, 1, 3, 7, 127, 128, 129}) {
      for (const std::int64_t grain : {0, 1, 5, 1000}) {
        CAPTURE(threads);
        CAPTURE(count);
        CAPTURE(grain);
        CHECK(coverage(count, grain) == std::vector<int>(static_cast<std::size_t>(count), 1));
      }
    }
  }
}

TEST_CASE("parallel_for uses the threads asked for, each for a grain or more") {
  const RuntimeGuard guard;
  use_threads(3);
  const auto ranges_of = [](std::int64_t count, std::int64_t grain) {
    std::atomic<int> ranges{0};
    std::atomic<bool> too_small{false};
    parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
      ++ranges;
      if (end - begin < grain) too_small = true;
    });
    CHECK(!too_small);
    return ranges.load();
  };
  CHECK(ranges_of(129, 1) == 3);
  CHECK(ranges_of(129, 43) == 3);
  CHECK(ranges_of(129, 50) == 2);
  CHECK(ranges_of(99, 50) == 1);
}

TEST_CASE("an exception of a body reaches the caller, and the next call works") {
  const RuntimeGuard guard;
  use_threads(3);
  CHECK_THROWS_WITH_AS(parallel_for(129, 1,
                                    [](std::int64_t begin, std::int64_t end) {
                                      if (begin <= 100 && 100 < end)
                                        throw std::runtime_error("at 100");
                                    }),
                       "at 100", std::runtime_error);
  CHECK(coverage(129, 1) == std::vector<int>(129, 1));
}

TEST_CASE("a parallel_for within another runs inline") {
  const RuntimeGuard guard;
  use_threads(3);
  std::atomic<int> elsewhere{0};
  std::atomic<int> covered{0};
  parallel_for(3, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto caller = std::this_thread::get_id();
      parallel_for(129, 1, [&](std::int64_t first, std::int64_t last) {
        elsewhere += std::this_thread::get_id() != caller;
        covered += static_cast<int>(last - first);
      });
    }
  });
  CHECK(elsewhere == 0);
  CHECK(covered == 3 * 129);
}

TEST_CASE("several threads of a host may call parallel_for at once") {
  const RuntimeGuard guard;
  use_threads(2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> hosts;
  for (int host = 0; host < 4; ++host) {
    hosts.emplace_back([&] {
      for (int i = 0; i < 50; ++i) wrong += coverage(129, 1) != std::vector<int>(129, 1);
    });
  }
  for (std::thread& host : hosts) host.join();
  CHECK(wrong == 0);
}

TEST_CASE("slices run once each, in lanes that no two share at once") {
  const RuntimeGuard guard;
  for (const int threads : {1, 2, 5}) {
    use_threads(threads);
    for (const int slices : {0, 1, 2, 7, 100}) {
      CAPTURE(threads);
      CAPTURE(slices);
      std::vector<std::atomic<int>> times(static_cast<std::size_t>(slices));
      std::vector<std::atomic<bool>> taken(static_cast<std::size_t>(lanes_of(slices)));
      std::atomic<int> wrong{0};
      parallel_slices(slices, [&](int slice, int lane) {
        wrong += taken[static_cast<std::size_t>(lane)].exchange(true);
        ++times[static_cast<std::size_t>(slice)];
        std::this_thread::yield();
        taken[static_cast<std::size_t>(lane)] = false;
      });
      CHECK(wrong == 0);
      CHECK(std::ranges::all_of(times, [](const auto& count) { return count == 1; }));
      CHECK(lanes_of(slices) <= std::max(threads, 1));
    }
  }
}

TEST_CASE("a caller does what no helper has begun") {
  const RuntimeGuard guard;
  use_threads(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> held{false};
  std::atomic<int> by_caller{0};
  parallel_slices(9, [&](int, int) {
    if (std::this_thread::get_id() == caller) {
      ++by_caller;
      return;
    }
    if (held.exchange(true)) return;
    while (by_caller < 8) std::this_thread::yield();  // the helper has one, and all others are done
  });
  CHECK(by_caller >= 8);
}

TEST_CASE("nobody uses the CPU between calls") {
  const RuntimeGuard guard;
  use_threads(4);
  CHECK(coverage(1000, 1) == std::vector<int>(1000, 1));
  const auto cpu_seconds = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(cpu_seconds() - before < 0.003);
  CHECK(coverage(1000, 1) == std::vector<int>(1000, 1));
}

TEST_CASE("the thread count may change between calls, and how long threads wait awake") {
  const RuntimeGuard guard;
  for (const int threads : {2, 6, 1, 3}) {
    for (const int microseconds : {0, 1, 1000}) {
      RuntimeOptions options = runtime_options();
      options.threads = threads;
      options.spin_microseconds = microseconds;
      configure(options);
      for (int i = 0; i < 20; ++i) CHECK(coverage(129, 1) == std::vector<int>(129, 1));
    }
  }
}

// A fork of several threads is more than the sanitizer follows.
#ifndef QUERN_TEST_TSAN
/// How many threads take part in `count` slices that each wait for all of them, 10 s at most.
std::size_t threads_that_meet(int count) {
  std::set<std::thread::id> seen;
  std::mutex mutex;
  const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const auto all_are_here = [&] {
    const std::scoped_lock lock(mutex);
    seen.insert(std::this_thread::get_id());
    return seen.size() == static_cast<std::size_t>(count) ||
           std::chrono::steady_clock::now() > latest;
  };
  parallel_slices(count, [&](int, int) {
    while (!all_are_here()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  return seen.size();
}

// Threads that are still starting when the process forks may hold the address sanitizer's locks.
TEST_CASE("a forked child works on, on helpers of its own") {
  const RuntimeGuard guard;
  use_threads(3);
  CHECK(threads_that_meet(3) == 3);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool meet = threads_that_meet(3) == 3;
    ::_exit(meet && coverage(129, 1) == std::vector<int>(129, 1) ? 0 : 1);
  }
  int status = -1;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(coverage(129, 1) == std::vector<int>(129, 1));
}
#endif
