#include "llm/scheduler.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "quern/runtime.h"

namespace quern::llm {
namespace {

/// Where an entry goes: after those of its priority or a higher one.
template <class Entries>
auto place_of(Entries& entries, int priority) {
  return std::ranges::find_if(entries,
                              [&](const auto& entry) { return entry.priority < priority; });
}

/// Operations that take 80 ms on this machine, with much to spare where it is busy with nothing
/// else. Known from what it is, not measured: equal runs are to give equal results.
std::int64_t operations_of_a_part() {
  struct Speed {
    std::string_view isa;
    std::int64_t giga;  // operations a second, on one thread
  };
  constexpr Speed kSpeeds[] = {{"amx", 500}, {"avx512", 120}, {"avx2", 50}};
  const RuntimeInfo info = runtime_info();
  std::int64_t giga = 12;
  for (const Speed& speed : kSpeeds) {
    if (!info.isa.starts_with(speed.isa)) continue;
    giga = speed.giga;
    break;
  }
  return giga * 80'000'000 * info.threads;
}

}  // namespace

Scheduler::Scheduler(const Decoder& decoder, const SchedulerOptions& options)
    : decoder_(decoder), options_(options) {
  counts_.kv_pages_total = options.kv_pages;
}

std::int64_t Scheduler::worst_pages(const Job& job) {
  return (job.worst_length() + KvPool::kPageTokens - 1) / KvPool::kPageTokens;
}

void Scheduler::add(std::shared_ptr<Job> job, std::string tenant, int priority) {
  // What is kept of texts of other kinds of length is not for this one, as if it were another
  // tenant's.
  const std::int64_t kind = decoder_.kind_of_length(job->worst_length());
  if (kind != 0) tenant.append(1, '\0').append(std::to_string(kind));
  const auto place = place_of(queue_, priority);
  queue_.insert(place, {.job = std::move(job), .tenant = std::move(tenant), .priority = priority});
}

Scheduler::Jobs Scheduler::admit() {
  for (const Entry& entry : running_) {
    if (entry.job->cancelled) entry.job->end(FinishReason::cancelled);
  }
  Jobs finished = take_finished();
  std::erase_if(queue_, [&](Entry& entry) {
    if (!entry.job->cancelled) return false;
    entry.job->end(FinishReason::cancelled);
    finished.push_back(std::move(entry.job));
    return true;
  });
  while (!queue_.empty() && std::ssize(running_) < options_.max_running) {
    if (!begin(queue_.front())) break;
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    const auto place = place_of(running_, entry.priority);
    running_.insert(place, std::move(entry));
  }
  return finished;
}

Scheduler::Jobs Scheduler::step() {
  run(plan());
  return take_finished();
}

EngineStatistics Scheduler::statistics() const {
  EngineStatistics result = counts_;
  result.queued = std::ssize(queue_);
  result.running = std::ssize(running_);
  result.kv_pages_kept = prefixes_.pages();
  result.kv_pages_used = promised_ + prefixes_.pages();
  return result;
}

/// Promises the job its pages, for which kept ones may go. False where there is no room yet.
bool Scheduler::begin(Entry& entry) {
  Job& job = *entry.job;
  const std::int64_t planned = job.worst_length();
  const auto kind_of = [&](std::int64_t length) { return decoder_.kind_of_length(length); };
  if (kind_of(job.sequence().planned_length(0)) != kind_of(planned)) job.sequence().truncate(0);
  job.sequence().plan(planned);
  PrefixCache::Match match;
  // The last token of a prompt always runs, since its logits are wanted.
  if (options_.keep_prefixes)
    match = prefixes_.find(entry.tenant, job.prompt().first(job.prompt().size() - 1));
  const std::int64_t needed = worst_pages(job) - std::ssize(match.pages);
  while (promised_ + prefixes_.pages() > options_.kv_pages - needed) {
    if (!prefixes_.evict()) return false;
  }
  promised_ += needed;
  entry.promised = needed;
  entry.kept = std::ssize(match.pages);
  entry.last = match.last;
  if (!match.pages.empty()) job.sequence().adopt(std::move(match.pages));
  counts_.prompt_tokens += std::ssize(job.prompt());
  counts_.cached_tokens += job.sequence().length();
  if (job.sequence().length() > 0) ++counts_.prefix_hits;
  job.begin();
  return true;
}

/// Tokens of a prompt that a step takes, so that none of its parts is long.
std::int64_t Scheduler::most_at_once(Job& job) const {
  if (options_.part_operations <= 0) return options_.step_tokens;
  const models::DecoderInfo& info = decoder_.info();
  constexpr std::int64_t kFewest = 64;
  const std::int64_t product = 2 * info.largest_product;
  // What attention computes takes about twice as long as as much of a product.
  const std::int64_t attention =
      8 * info.attention_width * (job.sequence().length() + options_.step_tokens);
  const std::int64_t most = options_.part_operations / std::max(product, attention);
  return std::max(most / kFewest * kFewest, kFewest);
}

std::vector<Scheduler::Share> Scheduler::plan() {
  std::vector<Share> shares;
  for (Entry& entry : running_) {
    if (!entry.job->finished() && entry.job->decoding()) shares.push_back({&entry, 1, true});
  }
  std::int64_t left = options_.step_tokens - std::ssize(shares);
  for (Entry& entry : running_) {
    if (left <= 0) break;
    if (entry.job->finished() || entry.job->decoding()) continue;
    const std::int64_t pending = std::ssize(entry.job->pending());
    const std::int64_t count = std::min({left, pending, most_at_once(*entry.job)});
    shares.push_back({&entry, count, count == pending});
    left -= count;
  }
  return shares;
}

void Scheduler::run(std::vector<Share> shares) {
  Batch batch;
  std::erase_if(shares, [&](const Share& share) { return !add_to(batch, share); });
  if (shares.empty()) return;
  ++counts_.steps;
  counts_.batch_requests = std::ssize(shares);
  counts_.batch_tokens = std::ssize(batch.tokens);
  std::vector<Job*> choosing;
  for (const Share& share : shares) {
    if (share.chooses) choosing.push_back(share.entry->job.get());
  }
  try {
    const BufferScope scope(&buffers_);
    Tensor logits = decoder_.forward(batch);
    for (const Share& share : shares) share.entry->job->sequence().advance(share.count);
    for (const Share& share : shares) keep_pages(*share.entry);
    choose(choosing, logits);
  } catch (...) {
    for (const Share& share : shares) {
      Job& job = *share.entry->job;
      job.cancelled ? job.end(FinishReason::cancelled) : job.fail(std::current_exception());
    }
    return;
  }
  for (Job* job : choosing) {
    if (job->cancelled) {
      job->end(FinishReason::cancelled);
      continue;
    }
    job->deliver();
    ++counts_.completion_tokens;
  }
}

/// False where there was no memory for it, which ends the job.
bool Scheduler::add_to(Batch& batch, const Share& share) {
  Job& job = *share.entry->job;
  try {
    job.sequence().reserve(share.count);
  } catch (...) {
    job.fail(std::current_exception());
    return false;
  }
  batch.add(job.sequence(), job.pending().first(static_cast<std::size_t>(share.count)));
  batch.cancelled.push_back(&job.cancelled);
  if (share.chooses) batch.want_last();
  return true;
}

void Scheduler::choose(std::span<Job* const> jobs, Tensor& logits) {
  const std::span<float> values = logits.mutable_data<float>();
  const std::size_t width = jobs.empty() ? 0 : values.size() / jobs.size();
  parallel_for(std::ssize(jobs), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      jobs[i]->choose(values.subspan(i * width, width));
  });
}

/// Keeps the pages that were filled since the last time.
void Scheduler::keep_pages(Entry& entry) {
  if (!options_.keep_prefixes || entry.lost) return;
  constexpr std::int64_t kPage = KvPool::kPageTokens;
  Job& job = *entry.job;
  for (; (entry.kept + 1) * kPage <= job.sequence().length(); ++entry.kept) {
    const auto tokens = job.tokens().subspan(static_cast<std::size_t>(entry.kept * kPage), kPage);
    const PrefixCache::Kept kept =
        prefixes_.keep(entry.tenant, entry.last, tokens, job.sequence().page(entry.kept));
    entry.lost = kept.node == PrefixCache::kRoot;
    if (entry.lost) return;
    entry.last = kept.node;
    if (!kept.added) continue;
    --entry.promised;
    --promised_;
  }
}

Scheduler::Jobs Scheduler::take_finished() {
  Jobs finished;
  std::erase_if(running_, [&](Entry& entry) {
    if (!entry.job->finished()) return false;
    promised_ -= entry.promised;
    finished.push_back(std::move(entry.job));
    return true;
  });
  return finished;
}

void run_alone(const Decoder& decoder, const std::shared_ptr<Job>& job) {
  Scheduler scheduler(decoder, {.part_operations = operations_of_a_part()});
  scheduler.add(job, {}, 0);
  while (!scheduler.idle()) {
    scheduler.admit();
    scheduler.step();
  }
}

}  // namespace quern::llm
