#include "quern/onnx/batcher.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

bool begins_with_batch(const ValueInfo& value, const std::string& name) {
  return value.kind == ValueKind::tensor && value.has_shape && !value.dims.empty() &&
         value.dims.front() == -1 && value.dim_names.front() == name;
}

bool can_batch(const Model& model, const BatchOptions& options) {
  if (!options.rows_are_independent && !model.rows_are_independent()) return false;
  const ModelInfo& info = model.info();
  if (info.inputs.empty() || info.inputs.front().dim_names.empty()) return false;
  const auto fits = [name = info.inputs.front().dim_names.front()](const ValueInfo& value) {
    return begins_with_batch(value, name) && !value.is_optional;
  };
  return std::ranges::all_of(info.inputs, fits) && std::ranges::all_of(info.outputs, fits);
}

/// The size of the first axis that all inputs share; 0 where they do not.
std::int64_t rows_of(const Values& inputs) {
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
bool can_join(const Values& a, const Values& b) {
  return std::ranges::equal(a, b, [](const auto& left, const auto& right) {
    const Tensor& x = left.second.tensor();
    const Tensor& y = right.second.tensor();
    return left.first == right.first && x.dtype() == y.dtype() &&
           std::ranges::equal(std::span(x.shape().begin() + 1, x.shape().end()),
                              std::span(y.shape().begin() + 1, y.shape().end()));
  });
}

}  // namespace

struct Batcher::Impl {
  struct Job {
    Values inputs;
    std::int64_t rows = 0;
    std::chrono::steady_clock::time_point came;
    std::promise<std::optional<Values>> result;  ///< none where the run failed
  };

  Impl(const Model& its_model, const BatchOptions& its_options)
      : model(its_model), options(its_options), batches(can_batch(model, options)) {
    if (!batches) return;
    try {
      thread = std::thread([this] { work(); });
    } catch (const std::system_error& error) {
      fail(ErrorCode::internal, "batcher: {}", error.what());
    }
  }
  ~Impl();

  Values run(const Values& inputs);
  void work();
  std::vector<Job> next_batch(std::unique_lock<std::mutex>& lock);
  void run_batch(std::vector<Job>& jobs);
  std::vector<Values> results_of(const std::vector<Job>& jobs);
  Values run_alone(const Values& inputs);

  const Model model;
  const BatchOptions options;
  const bool batches;
  std::mutex mutex;
  std::condition_variable news;
  std::deque<Job> waiting;  ///< guarded by mutex
  std::int64_t runs = 0;    ///< likewise
  bool ending = false;      ///< likewise
  std::thread thread;
};

Batcher::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    ending = true;
  }
  news.notify_all();
  if (thread.joinable()) thread.join();
}

Values Batcher::Impl::run(const Values& inputs) {
  // One that gives an input which has a value in the file is of a graph of its own.
  const bool may_join = batches && inputs.size() == model.info().inputs.size();
  const std::int64_t rows = may_join ? rows_of(inputs) : 0;
  if (rows == 0 || rows >= options.max_batch) return run_alone(inputs);
  std::future<std::optional<Values>> result;
  {
    const std::lock_guard lock(mutex);
    waiting.push_back({inputs, rows, std::chrono::steady_clock::now(), {}});
    result = waiting.back().result.get_future();
  }
  news.notify_all();
  if (auto outputs = result.get()) return *std::move(outputs);
  return run_alone(inputs);  // and fails, if it must, in the thread that is told
}

void Batcher::Impl::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    news.wait(lock, [this] { return !waiting.empty() || ending; });
    if (waiting.empty()) return;
    std::vector<Job> batch = next_batch(lock);
    lock.unlock();
    run_batch(batch);
    lock.lock();
  }
}

/// Takes the oldest request and those that can join it, once the batch is full or the oldest has
/// waited long enough.
std::vector<Batcher::Impl::Job> Batcher::Impl::next_batch(std::unique_lock<std::mutex>& lock) {
  const auto waiting_rows = [this] {
    std::int64_t rows = 0;
    for (const Job& job : waiting) {
      if (can_join(job.inputs, waiting.front().inputs)) rows += job.rows;
    }
    return rows;
  };
  news.wait_until(lock, waiting.front().came + options.max_delay,
                  [&] { return ending || waiting_rows() >= options.max_batch; });
  std::vector<Job> batch;
  std::int64_t rows = 0;
  for (auto job = waiting.begin(); job != waiting.end();) {
    const bool joins = batch.empty() || (rows + job->rows <= options.max_batch &&
                                         can_join(job->inputs, batch.front().inputs));
    if (!joins) {
      ++job;
      continue;
    }
    rows += job->rows;
    batch.push_back(std::move(*job));
    job = waiting.erase(job);
  }
  return batch;
}

void Batcher::Impl::run_batch(std::vector<Job>& jobs) {
  std::vector<Values> results;
  try {
    results = results_of(jobs);
  } catch (...) {  // one request that is wrong must not fail those it was run with
    for (Job& job : jobs) job.result.set_value(std::nullopt);
    return;
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].result.set_value(std::move(results[i]));
}

std::vector<Values> Batcher::Impl::results_of(const std::vector<Job>& jobs) {
  if (jobs.size() == 1) return {run_alone(jobs.front().inputs)};
  Values inputs;
  for (const auto& [name, value] : jobs.front().inputs) {
    std::vector<Tensor> parts;
    for (const Job& job : jobs) parts.push_back(job.inputs.find(name)->second.tensor());
    inputs.emplace(name, ops::concat(parts, 0));
  }
  const Values outputs = run_alone(inputs);
  std::vector<Values> results(jobs.size());
  std::int64_t row = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (const auto& [name, value] : outputs) {
      results[i].emplace(name, value.tensor().slice(0, row, row + jobs[i].rows));
    }
    row += jobs[i].rows;
  }
  return results;
}

Values Batcher::Impl::run_alone(const Values& inputs) {
  {
    const std::lock_guard lock(mutex);
    ++runs;
  }
  return model.run(inputs);
}

Batcher::Batcher(const Model& model, const BatchOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Batcher::Batcher(Batcher&&) noexcept = default;
Batcher& Batcher::operator=(Batcher&&) noexcept = default;
Batcher::~Batcher() = default;

const Model& Batcher::model() const noexcept { return impl_->model; }
bool Batcher::batches() const noexcept { return impl_->batches; }
Values Batcher::run(const Values& inputs) { return impl_->run(inputs); }

std::int64_t Batcher::runs() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->runs;
}

}  // namespace quern::onnx
