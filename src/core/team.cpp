#include "core/team.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/runtime.h"

namespace quern {
namespace {

constexpr int kCountBits = 16;
constexpr std::uint64_t kSlices = (std::uint64_t{1} << kCountBits) - 1;
constexpr std::uint64_t kOneLane = std::uint64_t{1} << kCountBits;
constexpr std::uint64_t kLanes = kSlices << kCountBits;
constexpr std::uint64_t kOneOpening = std::uint64_t{1} << (2 * kCountBits);

thread_local bool is_at_work = false;

void pause_briefly() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Whether `is_done()` within the time that threads wait awake. Who finds that it was without a CPU
/// meanwhile waits no longer: others want it, maybe those it waits for.
template <class IsDone>
bool comes_soon(const IsDone& is_done) noexcept {
  using Clock = std::chrono::steady_clock;
  constexpr int kLooks = 16;
  constexpr auto kLostCpu = std::chrono::microseconds(30);
  const Clock::time_point start = Clock::now();
  const auto patience = std::chrono::microseconds(spin_microseconds());
  for (Clock::time_point now = start, before = start; now - start < patience;) {
    for (int i = 0; i < kLooks; ++i) {
      if (is_done()) return true;
      pause_briefly();
    }
    before = std::exchange(now, Clock::now());
    if (now - before > kLostCpu) break;
  }
  return is_done();
}

}  // namespace

void Job::open(int slices, int lanes, detail::SliceBody body, const void* context) noexcept {
  slices_ = slices;
  lanes_ = lanes;
  body_ = body;
  context_ = context;
  finished_.store(0, std::memory_order_relaxed);
  const Left opening = left_.load(std::memory_order_relaxed) & ~(kSlices | kLanes);
  left_.store(opening + kOneOpening + kOneLane * static_cast<Left>(lanes - 1) +
              static_cast<Left>(slices - 1));
}

void Job::run(int slice, int lane) noexcept {
  try {
    body_(context_, slice, lane);
  } catch (...) {
    if (!failed_.exchange(true)) error_ = std::current_exception();
  }
}

int Job::claim() noexcept {
  Left left = left_.load(std::memory_order_relaxed);
  while ((left & kSlices) != 0) {
    if (left_.compare_exchange_weak(left, left - 1, std::memory_order_acquire,
                                    std::memory_order_relaxed))
      return slices_ - static_cast<int>(left & kSlices);
  }
  return -1;
}

int Job::run_rest(int lane) noexcept {
  int done = 0;
  for (int slice = claim(); slice >= 0; slice = claim(), ++done) run(slice, lane);
  return done;
}

void Job::run_as_caller() noexcept {
  is_at_work = true;
  run(0, 0);
  const int done = 1 + run_rest(0);
  is_at_work = false;
  count(done);
}

bool Job::can_be_joined() const noexcept {
  const Left left = left_.load();
  return (left & kSlices) != 0 && (left & kLanes) != 0;
}

bool Job::run_as_helper() noexcept {
  Left left = left_.load(std::memory_order_relaxed);
  do {
    if ((left & kSlices) == 0 || (left & kLanes) == 0) return false;
  } while (!left_.compare_exchange_weak(left, left - kOneLane - 1, std::memory_order_acquire,
                                        std::memory_order_relaxed));
  const int lane = lanes_ - static_cast<int>((left & kLanes) >> kCountBits);
  run(slices_ - static_cast<int>(left & kSlices), lane);
  count(1 + run_rest(lane));
  return true;
}

// The last may find the job opened again when it wakes who waits: that one looks and waits on.
void Job::count(int done) noexcept {
  const int slices = slices_;
  if (finished_.fetch_add(done) + done == slices) finished_.notify_all();
}

void Job::await() noexcept {
  if (comes_soon([&] { return finished_.load(std::memory_order_acquire) == slices_; })) return;
  for (int seen = finished_.load(); seen != slices_; seen = finished_.load()) finished_.wait(seen);
}

void Job::finish() {
  std::exception_ptr error = std::exchange(error_, nullptr);
  failed_.store(false, std::memory_order_relaxed);
  reserved_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

Job* Team::reserve() noexcept {
  int index = 0;
  while (index < kJobs && !jobs_[static_cast<std::size_t>(index)].reserve()) ++index;
  if (index == kJobs) return nullptr;
  int used = used_.load();
  while (used <= index && !used_.compare_exchange_weak(used, index + 1)) continue;
  return &jobs_[static_cast<std::size_t>(index)];
}

void Team::run(int slices, int lanes, detail::SliceBody body, const void* context) {
  Job* const job = is_at_work || lanes <= 1 ? nullptr : reserve();
  if (job == nullptr) {
    for (int slice = 0; slice < slices; ++slice) body(context, slice, 0);
    return;
  }
  ++callers_;
  job->open(slices, lanes, body, context);
  call(lanes - 1, lanes);
  job->run_as_caller();
  job->await();
  --callers_;
  job->finish();
}

// Who goes to sleep says so and then looks once more: it sees the job, or is seen here.
void Team::call(int wanted, int lanes) noexcept {
  published_.fetch_add(1);
  if (stops_.load(std::memory_order_relaxed)) return;
  static const int cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int most = std::min(std::max(cpus, lanes) - 1, callers_.load() * (lanes - 1));
  Helper* const first = helpers_.load(std::memory_order_acquire);
  for (Helper* helper = first; helper != nullptr && wanted > 0; helper = helper->next)
    wanted -= helper->state.load() == State::awake;
  for (Helper* helper = first; helper != nullptr && wanted > 0; helper = helper->next)
    wanted -= wake(*helper);
  if (wanted > 0 && helper_count_.load(std::memory_order_relaxed) < most) hire(most);
}

bool Team::wake(Helper& helper) noexcept {
  State expected = State::asleep;
  if (helper.state.load() != expected ||
      !helper.state.compare_exchange_strong(expected, State::working))
    return false;
  helper.state.notify_one();
  return true;
}

// Handlers of signals are the host's threads' to run. Where the system gives no thread, those at
// hand do the work.
void Team::hire(int most) noexcept {
  const std::scoped_lock lock(hiring_);
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    while (helper_count_ < most && !stops_) {
      auto helper = std::make_unique<Helper>();
      helper->next = helpers_.load(std::memory_order_relaxed);
      helper->thread = std::thread([this, self = helper.get()] { help(*self); });
      helpers_.store(helper.release(), std::memory_order_release);
      ++helper_count_;
    }
  } catch (...) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool Team::work() noexcept {
  const auto used = static_cast<std::size_t>(used_.load(std::memory_order_acquire));
  bool found = false;
  for (std::size_t i = 0; i < used; ++i) found |= jobs_[i].run_as_helper();
  return found;
}

void Team::help(Helper& self) noexcept {
  is_at_work = true;
  while (!stops_) {
    const unsigned seen = published_.load();
    if (work()) continue;
    const auto is_called = [&] { return published_.load(std::memory_order_relaxed) != seen; };
    self.state = State::awake;
    if (!comes_soon(is_called)) {
      self.state = State::asleep;
      if (published_.load() == seen && !stops_) self.state.wait(State::asleep);
    }
    self.state = State::working;
  }
}

void Team::stop() noexcept {
  const std::scoped_lock lock(hiring_);
  stops_ = true;
  published_.fetch_add(1);
  for (Helper* helper = helpers_; helper != nullptr; helper = helper->next) {
    wake(*helper);
    if (helper->thread.joinable()) helper->thread.join();
  }
}

namespace {

std::atomic<Team*> current_team{nullptr};

Team* start_team() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { current_team = nullptr; });
  static_cast<void>(registered);
  static const struct Stopping {
    ~Stopping() {
      if (Team* const team = current_team.load()) team->stop();
    }
  } at_exit;
  static_cast<void>(at_exit);
  Team* none = nullptr;
  auto made = std::make_unique<Team>();
  if (current_team.compare_exchange_strong(none, made.get())) return made.release();
  return none;
}

}  // namespace

// Never freed: threads of a host may outlive what is destroyed at exit, and in a forked child the
// threads of the parent's team are gone.
Team& Team::instance() {
  Team* const team = current_team.load(std::memory_order_acquire);
  return team != nullptr ? *team : *start_team();
}

}  // namespace quern
