#include <algorithm>
#include <deque>
#include <thread>
#include <unordered_map>

#include "core/error.h"
#include "llm/engine_impl.h"
#include "llm/model_impl.h"
#include "llm/scheduler.h"

namespace quern::llm {
namespace {

std::int64_t pages_of(std::int64_t tokens) {
  return tokens / KvPool::kPageTokens + (tokens % KvPool::kPageTokens > 0 ? 1 : 0);
}

void check_options(const EngineOptions& options) {
  require(options.max_running > 0, "engine: max_running {} is not positive", options.max_running);
  require(options.max_queued >= 0, "engine: max_queued {} is negative", options.max_queued);
  require(options.kv_tokens >= 0, "engine: kv_tokens {} is negative", options.kv_tokens);
  require(options.step_tokens > options.max_running,
          "engine: step_tokens {} is not more than max_running {}", options.step_tokens,
          options.max_running);
}

}  // namespace

struct Engine::Impl {
  using Shared = std::shared_ptr<Generation::Impl>;
  struct Arrival {
    Shared generation;
    std::string tenant;
    int priority;
  };

  Impl(const Model& given, const EngineOptions& given_options)
      : model(given),
        options(given_options),
        scheduler(*given.impl_->decoder, scheduler_options(given, given_options)),
        statistics(scheduler.statistics()),
        thread([this] { run(); }) {}
  ~Impl() {
    {
      const std::scoped_lock lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    thread.join();
  }

  static SchedulerOptions scheduler_options(const Model& model, const EngineOptions& options) {
    constexpr std::int64_t kMostBytes = std::int64_t{2} << 30;
    const std::int64_t most = kMostBytes / model.impl_->pool->bytes_per_page();
    const std::int64_t context = pages_of(model.context_length());
    const bool all_fit = most / context >= options.max_running;
    const std::int64_t usual = all_fit ? context * options.max_running : std::max(most, context);
    return {.max_running = options.max_running,
            .kv_pages = options.kv_tokens > 0 ? pages_of(options.kv_tokens) : usual,
            .step_tokens = options.step_tokens,
            .keep_prefixes = true};
  }

  Shared make(Request request) const;
  void accept(Arrival arrival);
  void check_room() const;
  void run() noexcept;
  void add(Arrival arrival) noexcept;
  bool wait_for_work(std::deque<Arrival>& taken);
  void step();
  void finish(const Scheduler::Jobs& jobs);
  void publish(std::int64_t finished);
  void fail_all(const std::exception_ptr& error) noexcept;

  const Model model;
  const EngineOptions options;

  // Of the engine's thread.
  Scheduler scheduler;
  std::unordered_map<const Job*, Shared> generations;

  mutable std::mutex mutex;  // of what follows
  std::condition_variable wake;
  std::deque<Arrival> arrivals;
  std::int64_t unfinished = 0;
  bool stopping = false;
  EngineStatistics statistics;

  std::thread thread;
};

Engine::Impl::Shared Engine::Impl::make(Request request) const {
  const Model::Impl& parts = *model.impl_;
  Prompt& prompt = request.prompt;
  if (prompt.kind != Prompt::Kind::tokens) model.tokenizer();
  std::vector<TokenId> tokens = std::move(prompt.tokens);
  if (prompt.kind == Prompt::Kind::text) tokens = parts.tokenizer->encode(prompt.text);
  if (prompt.kind == Prompt::Kind::messages) {
    tokens = parts.encode(prompt.messages);
    request.options = parts.with_stops(std::move(request.options));
  }
  auto made =
      std::make_shared<Generation::Impl>(parts.generator(), std::move(tokens), std::move(request));
  const std::int64_t pages = Scheduler::worst_pages(*made->job);
  require(pages <= scheduler.kv_pages(),
          "engine: {} tokens of prompt and max_tokens may need {} pages of keys and values, "
          "kv_tokens gives {}",
          made->job->prompt().size(), pages, scheduler.kv_pages());
  return made;
}

/// Needs the lock.
void Engine::Impl::check_room() const {
  if (stopping) fail(ErrorCode::cancelled, "engine: it is being destroyed");
  if (unfinished >= options.max_running + options.max_queued) {
    fail(ErrorCode::busy, "engine: {} requests are unfinished, and no more than {} are taken",
         unfinished, options.max_running + options.max_queued);
  }
}

void Engine::Impl::accept(Arrival arrival) {
  {
    const std::scoped_lock lock(mutex);
    check_room();
    arrivals.push_back(std::move(arrival));
    ++unfinished;
    ++statistics.queued;
  }
  wake.notify_one();
}

void Engine::Impl::run() noexcept {
  std::deque<Arrival> taken;
  while (wait_for_work(taken)) {
    for (; !taken.empty(); taken.pop_front()) add(std::move(taken.front()));
    try {
      step();
    } catch (...) {
      fail_all(std::current_exception());
    }
  }
}

void Engine::Impl::add(Arrival arrival) noexcept {
  const Shared generation = std::move(arrival.generation);
  try {
    generations.emplace(generation->job.get(), generation);
    scheduler.add(generation->job, std::move(arrival.tenant), arrival.priority);
  } catch (...) {
    generations.erase(generation->job.get());
    generation->job->fail(std::current_exception());
    publish(1);
    generation->finish();
  }
}

/// After a failure of the step itself, such as a lack of memory for its lists.
void Engine::Impl::fail_all(const std::exception_ptr& error) noexcept {
  const auto failed = std::exchange(generations, {});
  publish(std::ssize(failed));
  for (const auto& [job, generation] : failed) {
    generation->job->cancelled = true;  // so that it leaves the scheduler
    generation->job->fail(error);
    generation->finish();
  }
}

/// False where there is nothing left to do, and never will be.
bool Engine::Impl::wait_for_work(std::deque<Arrival>& taken) {
  bool ending = false;
  {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return stopping || !arrivals.empty() || !generations.empty(); });
    taken.swap(arrivals);
    ending = stopping;
  }
  if (!ending) return true;
  for (const auto& [job, generation] : generations) generation->job->cancelled = true;
  for (const Arrival& arrival : taken) arrival.generation->job->cancelled = true;
  return !generations.empty() || !taken.empty();
}

void Engine::Impl::step() {
  finish(scheduler.admit());
  finish(scheduler.step());
}

void Engine::Impl::finish(const Scheduler::Jobs& jobs) {
  publish(std::ssize(jobs));
  for (const auto& job : jobs) {
    const auto found = generations.extract(job.get());
    if (!found.empty()) found.mapped()->finish();
  }
}

void Engine::Impl::publish(std::int64_t finished) {
  const EngineStatistics counted = scheduler.statistics();
  const std::scoped_lock lock(mutex);
  unfinished -= finished;
  const std::int64_t requests = statistics.requests + finished;
  statistics = counted;
  statistics.requests = requests;
  statistics.queued += std::ssize(arrivals);
}

Engine::Engine(const Model& model, const EngineOptions& options) {
  check_options(options);
  impl_ = std::make_unique<Impl>(model, options);
}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Generation Engine::submit(Request request) {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->check_room();
  }
  std::string tenant = std::move(request.tenant);
  const int priority = request.priority;
  auto generation = impl_->make(std::move(request));
  impl_->accept({generation, std::move(tenant), priority});
  return Generation(std::move(generation));
}

const Model& Engine::model() const noexcept { return impl_->model; }

EngineStatistics Engine::statistics() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->statistics;
}

}  // namespace quern::llm
