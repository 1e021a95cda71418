#include "serve/http/worker_pool.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace quern::serve {
namespace {

/// A write of OpenSSL's to a broken connection raises SIGPIPE, which is the host's to handle.
void block_broken_pipes() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::submit(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  if (free_ >= jobs_.size()) {
    more_.notify_one();
    return;
  }
  try {
    threads_.emplace_back([this] { work(); });
  } catch (...) {
    jobs_.pop_back();  // no thread has seen it: they wait for the mutex
    throw;
  }
}

void WorkerPool::work() {
  block_broken_pipes();
  pthread_setname_np(pthread_self(), "quern-http");
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!jobs_.empty()) {
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
    if (ending_) return;
    ++free_;
    more_.wait(lock, [this] { return !jobs_.empty() || ending_; });
    --free_;
  }
}

}  // namespace quern::serve
