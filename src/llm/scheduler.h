#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/reused_buffers.h"
#include "llm/job.h"
#include "llm/prefix_cache.h"

namespace quern::llm {

struct SchedulerOptions {
  std::int64_t max_running = 1;
  std::int64_t kv_pages = std::numeric_limits<std::int64_t>::max();
  std::int64_t step_tokens = 512;  ///< of one forward; more than `max_running`
  bool keep_prefixes = false;      ///< for later jobs of the same tenant
  /// Of a product or of attention over a part of a prompt, which is kept so short that a
  /// cancelled job ends soon; 0: as many as `step_tokens` give.
  std::int64_t part_operations = 0;
};

/// Runs jobs by continuous batching: each step is one forward of the next token of every job that
/// decodes and of a chunk of the prompts of others. It is what every generation runs on, one alone
/// too. One thread at a time.
///
/// Pages are promised before they are taken: to a running job all that it may come to need, but for
/// those that it shares, and to the prefix cache those that it keeps. So a job that runs never
/// waits for pages.
class Scheduler {
 public:
  using Jobs = std::vector<std::shared_ptr<Job>>;

  Scheduler(const Decoder& decoder, const SchedulerOptions& options);

  /// The pages a job needs at most; one that needs more than `kv_pages` must not be added.
  static std::int64_t worst_pages(const Job& job);
  /// Jobs of higher priority begin first, others in the order they were added.
  void add(std::shared_ptr<Job> job, std::string tenant, int priority);
  /// Drops what is cancelled and begins what fits. Returns the jobs that are finished by it.
  Jobs admit();
  /// Runs one forward. Returns the jobs that are finished by it.
  Jobs step();
  std::int64_t kv_pages() const noexcept { return options_.kv_pages; }
  bool idle() const noexcept { return queue_.empty() && running_.empty(); }

  /// Counts as in EngineStatistics, but for what the engine itself knows.
  EngineStatistics statistics() const;

 private:
  struct Entry {
    std::shared_ptr<Job> job;
    std::string tenant;
    int priority = 0;
    std::int64_t promised = 0;                      // pages, beyond those shared
    std::int64_t kept = 0;                          // of its pages, those the cache has seen
    PrefixCache::NodeId last = PrefixCache::kRoot;  // the node of the last of them
    bool lost = false;                              // that node is gone, and no more can be kept
  };
  /// What one step runs of one job.
  struct Share {
    Entry* entry;
    std::int64_t count;
    bool chooses;  // whether it ends with all its tokens run, and so with a new one
  };

  bool begin(Entry& entry);
  std::int64_t most_at_once(Job& job) const;
  std::vector<Share> plan();
  void run(std::vector<Share> shares);
  static bool add_to(Batch& batch, const Share& share);
  static void choose(std::span<Job* const> jobs, Tensor& logits);
  void keep_pages(Entry& entry);
  Jobs take_finished();

  const Decoder& decoder_;
  SchedulerOptions options_;
  std::deque<Entry> queue_;
  std::vector<Entry> running_;  // by priority, then as they began
  PrefixCache prefixes_;
  ReusedBuffers buffers_;  // of a step's tensors
  std::int64_t promised_ = 0;
  EngineStatistics counts_;
};

/// Runs one job alone, to its end.
void run_alone(const Decoder& decoder, const std::shared_ptr<Job>& job);

}  // namespace quern::llm
