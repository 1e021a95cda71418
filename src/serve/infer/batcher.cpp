#include "serve/infer/batcher.h"

#include <algorithm>
#include <utility>

#include "quern/ops.h"

namespace quern::serve {
namespace {

bool begins_with_batch(const onnx::ValueInfo& value, const std::string& name) {
  return value.kind == onnx::ValueKind::tensor && value.has_shape && !value.dims.empty() &&
         value.dims.front() == -1 && value.dim_names.front() == name;
}

bool can_batch(const onnx::Model& model, const BatchOptions& options) {
  if (!options.rows_are_independent && !model.rows_are_independent()) return false;
  const onnx::ModelInfo& info = model.info();
  if (info.inputs.empty() || info.inputs.front().dim_names.empty()) return false;
  const auto fits = [name = info.inputs.front().dim_names.front()](const onnx::ValueInfo& value) {
    return begins_with_batch(value, name) && !value.is_optional;
  };
  return std::ranges::all_of(info.inputs, fits) && std::ranges::all_of(info.outputs, fits);
}

/// The size of the first axis that all inputs share; 0 where they do not.
std::int64_t rows_of(const onnx::Values& inputs) {
  std::int64_t rows = 0;
  for (const auto& [name, value] : inputs) {
    if (!value.is_tensor() || value.tensor().rank() == 0) return 0;
    const std::int64_t size = value.tensor().dim(0);
    if (rows != 0 && size != rows) return 0;
    rows = size;
  }
  return rows;
}

/// Whether two requests differ in the size of their first axis only.
bool can_join(const onnx::Values& a, const onnx::Values& b) {
  return std::ranges::equal(a, b, [](const auto& left, const auto& right) {
    const Tensor& x = left.second.tensor();
    const Tensor& y = right.second.tensor();
    return left.first == right.first && x.dtype() == y.dtype() &&
           std::ranges::equal(std::span(x.shape().begin() + 1, x.shape().end()),
                              std::span(y.shape().begin() + 1, y.shape().end()));
  });
}

}  // namespace

Batcher::Batcher(onnx::Model model, const BatchOptions& options)
    : model_(std::move(model)), options_(options), batches_(can_batch(model_, options)) {
  if (batches_) thread_ = std::thread([this] { work(); });
}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  news_.notify_all();
  if (thread_.joinable()) thread_.join();
}

onnx::Values Batcher::run(const onnx::Values& inputs) {
  // One that gives an input which has a value in the file is of a graph of its own.
  const bool may_join = batches_ && inputs.size() == model_.info().inputs.size();
  const std::int64_t rows = may_join ? rows_of(inputs) : 0;
  if (rows == 0 || rows >= options_.max_batch) return run_alone(inputs);
  std::future<std::optional<onnx::Values>> result;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({inputs, rows, std::chrono::steady_clock::now(), {}});
    result = jobs_.back().result.get_future();
  }
  news_.notify_all();
  if (auto outputs = result.get()) return *std::move(outputs);
  return run_alone(inputs);  // and fails, if it must, in the thread that is told
}

std::int64_t Batcher::runs() const {
  const std::lock_guard lock(mutex_);
  return runs_;
}

void Batcher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait(lock, [this] { return !jobs_.empty() || ending_; });
    if (jobs_.empty()) return;
    std::vector<Job> batch = next_batch(lock);
    lock.unlock();
    run_batch(batch);
    lock.lock();
  }
}

/// Takes the oldest request and those that can join it, once the batch is full or the oldest has
/// waited long enough.
std::vector<Batcher::Job> Batcher::next_batch(std::unique_lock<std::mutex>& lock) {
  const auto waiting_rows = [this] {
    std::int64_t rows = 0;
    for (const Job& job : jobs_) {
      if (can_join(job.inputs, jobs_.front().inputs)) rows += job.rows;
    }
    return rows;
  };
  news_.wait_until(lock, jobs_.front().came + options_.max_delay,
                   [&] { return ending_ || waiting_rows() >= options_.max_batch; });
  std::vector<Job> batch;
  std::int64_t rows = 0;
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    const bool joins = batch.empty() || (rows + job->rows <= options_.max_batch &&
                                         can_join(job->inputs, batch.front().inputs));
    if (!joins) {
      ++job;
      continue;
    }
    rows += job->rows;
    batch.push_back(std::move(*job));
    job = jobs_.erase(job);
  }
  return batch;
}

void Batcher::run_batch(std::vector<Job>& jobs) {
  std::vector<onnx::Values> results;
  try {
    results = results_of(jobs);
  } catch (...) {  // one request that is wrong must not fail those it was run with
    for (Job& job : jobs) job.result.set_value(std::nullopt);
    return;
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].result.set_value(std::move(results[i]));
}

std::vector<onnx::Values> Batcher::results_of(const std::vector<Job>& jobs) {
  if (jobs.size() == 1) return {run_alone(jobs.front().inputs)};
  onnx::Values inputs;
  for (const auto& [name, value] : jobs.front().inputs) {
    std::vector<Tensor> parts;
    for (const Job& job : jobs) parts.push_back(job.inputs.find(name)->second.tensor());
    inputs.emplace(name, ops::concat(parts, 0));
  }
  const onnx::Values outputs = run_alone(inputs);
  std::vector<onnx::Values> results(jobs.size());
  std::int64_t row = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (const auto& [name, value] : outputs) {
      results[i].emplace(name, value.tensor().slice(0, row, row + jobs[i].rows));
    }
    row += jobs[i].rows;
  }
  return results;
}

onnx::Values Batcher::run_alone(const onnx::Values& inputs) {
  {
    const std::lock_guard lock(mutex_);
    ++runs_;
  }
  return model_.run(inputs);
}

}  // namespace quern::serve
