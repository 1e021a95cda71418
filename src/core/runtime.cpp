#include "core/runtime.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "core/error.h"

namespace quern {
namespace {

int default_threads() noexcept { return std::max(1u, std::thread::hardware_concurrency()); }

struct Settings {
  std::mutex mutex;
  RuntimeOptions options;
  bool isa_settled = false;
  std::atomic<int> threads{default_threads()};
  std::atomic<int> spin_microseconds{RuntimeOptions{}.spin_microseconds};
  std::atomic<std::int64_t> memory_limit{0};
  std::mutex log_mutex;
  std::atomic<bool> has_log{false};
};

Settings& settings() noexcept {
  static Settings instance;
  return instance;
}

}  // namespace

void configure(const RuntimeOptions& options) {
  constexpr int kMaxThreads = 4096;
  require(options.threads >= 0 && options.threads <= kMaxThreads,
          "configure: expected 0 to {} threads, got {}", int{kMaxThreads}, options.threads);
  require(options.spin_microseconds >= 0, "configure: spin_microseconds {} is negative",
          options.spin_microseconds);
  require(options.memory_limit >= 0, "configure: memory_limit {} is negative",
          options.memory_limit);
  Settings& current = settings();
  const std::scoped_lock lock(current.mutex, current.log_mutex);
  require(!current.isa_settled || options.max_isa == current.options.max_isa,
          "configure: max_isa cannot change after the first operation");
  current.options = options;
  current.threads = options.threads > 0 ? options.threads : default_threads();
  current.spin_microseconds = options.spin_microseconds;
  current.memory_limit = options.memory_limit;
  current.has_log = static_cast<bool>(options.log);
}

RuntimeOptions runtime_options() {
  Settings& current = settings();
  const std::scoped_lock lock(current.mutex);
  return current.options;
}

int thread_count() noexcept { return settings().threads.load(std::memory_order_relaxed); }

int spin_microseconds() noexcept {
  return settings().spin_microseconds.load(std::memory_order_relaxed);
}

std::int64_t memory_limit() noexcept {
  return settings().memory_limit.load(std::memory_order_relaxed);
}

Isa settle_max_isa() noexcept {
  Settings& current = settings();
  const std::scoped_lock lock(current.mutex);
  current.isa_settled = true;
  return current.options.max_isa;
}

void log(LogLevel level, std::string_view message) {
  Settings& current = settings();
  if (!current.has_log) return;
  const std::scoped_lock lock(current.log_mutex);
  if (current.options.log) current.options.log(level, message);
}

}  // namespace quern
