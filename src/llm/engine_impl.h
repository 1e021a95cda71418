#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "llm/job.h"
#include "quern/llm.h"

namespace quern::llm {

/// What a Generation shares with the engine that runs it.
struct Generation::Impl {
  Impl(const Generator& generator, std::vector<TokenId> prompt, Request request);

  /// The job's callback: the caller's, until the caller lets go.
  Flow show(const Delta& delta);
  /// Publishes the job's outcome and calls `done`.
  void finish();
  /// Cancels, and sees to it that no callback runs any more.
  void let_go() noexcept;

  std::mutex mutex;  // of what follows
  std::condition_variable finished;
  bool ready = false;
  Reply reply;
  std::exception_ptr error;

  std::recursive_mutex calling;  // held during a callback; of what follows
  DeltaCallback callback;
  Function<void()> done;
  bool abandoned = false;

  const std::shared_ptr<Job> job;
};

}  // namespace quern::llm
