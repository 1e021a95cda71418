#include "core/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/runtime.h"
#include "support/runtime_guard.h"

extern "C" int omp_get_max_threads();  // there is no omp.h where Clang has no runtime of its own

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

TEST_CASE("a team's scope says how many threads oneDNN has, and takes that back") {
  const RuntimeGuard guard;
  use_threads(3);
  const int before = omp_get_max_threads();
  {
    const TeamScope team;
    CHECK(omp_get_max_threads() == 3);
    const TeamScope alone(1);
    CHECK(omp_get_max_threads() == 1);
  }
  CHECK(omp_get_max_threads() == before);
}

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

TEST_CASE("a thread that left its team gets another when it needs one") {
  for (int round = 0; round < 3; ++round) {
    std::atomic<std::int64_t> sum = 0;
    parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    CHECK(sum == 1000);
    leave_team();
  }
}
