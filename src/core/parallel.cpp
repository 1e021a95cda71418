#include "core/parallel.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "core/runtime.h"

#if defined(__SANITIZE_THREAD__)
#define QUERN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QUERN_TSAN 1
#endif
#endif
#ifdef QUERN_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// The GNU OpenMP runtime's own entry, which is what `#pragma omp parallel` compiles to under GCC.
// Called by name so that Clang, whose pragma would bring a second runtime with a second team,
// shares the team that oneDNN runs on.
extern "C" {
void GOMP_parallel(void (*body)(void*), void* context, unsigned threads, unsigned flags);
int omp_get_thread_num();
int omp_get_num_threads();
int omp_get_max_threads();
int omp_in_parallel();
void omp_set_num_threads(int threads);
int omp_pause_resource_all(int kind);
}

namespace quern {
namespace {

struct Work {
  std::int64_t count;
  int ranges;
  detail::RangeBody body;
  const void* context;
  std::mutex mutex;
  std::exception_ptr error;
};

// The sanitizer cannot see the barriers of an OpenMP runtime that it did not compile.
void fork_or_join_point([[maybe_unused]] void* work, [[maybe_unused]] bool publish) {
#ifdef QUERN_TSAN
  publish ? __tsan_release(work) : __tsan_acquire(work);
#endif
}

void run_range(Work& work, int range) noexcept {
  const std::int64_t begin = work.count * range / work.ranges;
  const std::int64_t end = work.count * (range + 1) / work.ranges;
  try {
    work.body(work.context, begin, end);
  } catch (...) {
    const std::scoped_lock lock(work.mutex);
    if (!work.error) work.error = std::current_exception();
  }
}

void run_member(void* context) {
  auto& work = *static_cast<Work*>(context);
  fork_or_join_point(&work, false);
  // The runtime may give a smaller team than asked for; every range still runs.
  for (int range = omp_get_thread_num(); range < work.ranges; range += omp_get_num_threads()) {
    run_range(work, range);
  }
  fork_or_join_point(&work, true);
}

}  // namespace

void detail::parallel_ranges(std::int64_t count, std::int64_t grain, RangeBody body,
                             const void* context) {
  if (count <= 0) return;
  const std::int64_t wanted = count / std::max<std::int64_t>(grain, 1);
  const int ranges = static_cast<int>(std::min<std::int64_t>(thread_count(), wanted));
  if (ranges <= 1 || omp_in_parallel() != 0) return body(context, 0, count);
  Work work{count, ranges, body, context, {}, {}};
  fork_or_join_point(&work, true);
  GOMP_parallel(run_member, &work, static_cast<unsigned>(ranges), 0);
  fork_or_join_point(&work, false);
  if (work.error) std::rethrow_exception(work.error);
}

void leave_team() noexcept {
  constexpr int kSoft = 1;
  omp_pause_resource_all(kSoft);
}

TeamScope::TeamScope(int threads) noexcept : before_(omp_get_max_threads()) {
  omp_set_num_threads(threads > 0 ? threads : thread_count());
}

TeamScope::~TeamScope() { omp_set_num_threads(before_); }

}  // namespace quern
