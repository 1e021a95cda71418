#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "quern/serve.h"

namespace quern::serve {

/// Runs an ONNX model for many callers. Where the first axis of every input and output is dynamic
/// and of one name, and rows along it are independent (BatchOptions), requests whose other axes
/// agree are run as one, along that axis; else each is run alone, in its caller's thread.
///
/// Safe to use from several threads at once.
class Batcher {
 public:
  Batcher(onnx::Model model, const BatchOptions& options);
  /// Runs what waits, then ends.
  ~Batcher();

  const onnx::Model& model() const noexcept { return model_; }
  bool batches() const noexcept { return batches_; }

  /// Throws: as onnx::Model::run.
  onnx::Values run(const onnx::Values& inputs);
  /// How many runs of the model there were.
  std::int64_t runs() const;

 private:
  struct Job {
    onnx::Values inputs;
    std::int64_t rows = 0;
    std::chrono::steady_clock::time_point came;
    std::promise<std::optional<onnx::Values>> result;  ///< none where the run failed
  };
  void work();
  std::vector<Job> next_batch(std::unique_lock<std::mutex>& lock);
  void run_batch(std::vector<Job>& jobs);
  std::vector<onnx::Values> results_of(const std::vector<Job>& jobs);
  onnx::Values run_alone(const onnx::Values& inputs);

  onnx::Model model_;
  BatchOptions options_;
  bool batches_ = false;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Job> jobs_;
  std::int64_t runs_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace quern::serve
