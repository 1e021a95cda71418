#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>

#include "core/parallel.h"

namespace quern {

/// One call of parallel_slices: what is to do, and what of it is left. Its memory is never freed,
/// so a helper that comes late may look.
class alignas(64) Job {
 public:
  bool reserve() noexcept { return !reserved_.exchange(true, std::memory_order_acquire); }
  /// Opens it to helpers; slice 0 and lane 0 are the caller's.
  void open(int slices, int lanes, detail::SliceBody body, const void* context) noexcept;
  /// Runs slice 0 and what nobody has begun.
  void run_as_caller() noexcept;
  /// Runs what nobody has begun, where there is any and a lane is free.
  bool run_as_helper() noexcept;
  bool can_be_joined() const noexcept;
  /// Waits for the slices that others have begun.
  void await() noexcept;
  /// Gives it back. Rethrows what a body threw.
  void finish();

 private:
  /// Slices left in the lowest 16 bits, then lanes left, then how often it was opened.
  using Left = std::uint64_t;

  void run(int slice, int lane) noexcept;
  /// The next slice, or -1.
  int claim() noexcept;
  int run_rest(int lane) noexcept;
  void count(int done) noexcept;

  std::atomic<bool> reserved_{false};
  std::atomic<Left> left_{0};
  int slices_ = 0;
  int lanes_ = 0;
  detail::SliceBody body_ = nullptr;
  const void* context_ = nullptr;
  std::atomic<int> finished_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

/// The threads that help callers, and the calls that they can help.
class Team {
 public:
  /// That of the process, or of a forked child.
  static Team& instance();

  void run(int slices, int lanes, detail::SliceBody body, const void* context);
  /// Ends the helpers; calls run on, alone.
  void stop() noexcept;

 private:
  enum class State : int { working, awake, asleep };
  struct alignas(64) Helper {
    std::atomic<State> state{State::working};
    std::thread thread;
    Helper* next = nullptr;
  };

  Job* reserve() noexcept;
  /// Makes as many helpers look for work as a job of `lanes` lanes takes.
  void call(int wanted, int lanes) noexcept;
  bool wake(Helper& helper) noexcept;
  void hire(int most) noexcept;
  void help(Helper& self) noexcept;
  bool work() noexcept;

  static constexpr int kJobs = 64;  // more callers than that run alone
  std::array<Job, kJobs> jobs_;
  std::atomic<int> used_{0};  // jobs_ that were ever reserved
  std::atomic<int> callers_{0};
  alignas(64) std::atomic<unsigned> published_{0};
  alignas(64) std::atomic<Helper*> helpers_{nullptr};
  std::atomic<int> helper_count_{0};
  std::atomic<bool> stops_{false};
  std::mutex hiring_;
};

}  // namespace quern
