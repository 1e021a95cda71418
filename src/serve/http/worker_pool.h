#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace quern::serve {

/// Threads that each run one job at a time: one is started where none is free, so that no job ever
/// waits for another. Whoever submits bounds the number of jobs.
///
/// Safe to use from several threads at once.
class WorkerPool {
 public:
  WorkerPool() = default;
  /// Waits for the jobs that run.
  ~WorkerPool();

  /// Throws: `std::system_error` where the system has no thread left; the job does not run then.
  void submit(std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  std::size_t free_ = 0;
  bool ending_ = false;
};

}  // namespace quern::serve
