#include "serve/models.h"

#include <algorithm>

#include "serve/error.h"

namespace quern::serve {

std::int64_t LanguageModel::longest_piece() const {
  std::call_once(looked_, [this] {
    const Tokenizer& tokenizer = model().tokenizer();
    for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
      longest_piece_ = std::max(longest_piece_, std::ssize(tokenizer.piece(token)));
    }
  });
  return longest_piece_;
}

void LanguageModel::measure(Metrics& metrics) const {
  const llm::EngineStatistics now = engine_.statistics();
  const auto set = [&](std::string_view gauge, std::int64_t value) {
    metrics.set(gauge, {{"model", name()}}, static_cast<double>(value));
  };
  set("quern_queued_requests", now.queued);
  set("quern_running_requests", now.running);
  set("quern_batch_size", now.batch_requests);
  set("quern_kv_pages_used", now.kv_pages_used);
  set("quern_kv_pages_total", now.kv_pages_total);
}

void OnnxModel::measure(Metrics& metrics) const {
  metrics.set("quern_onnx_runs", {{"model", name()}}, static_cast<double>(batcher_.runs()));
}

void Models::add(std::shared_ptr<ServedModel> model) {
  const std::string& name = model->name();
  require(!name.empty(), "serve: a model needs a name");
  const std::unique_lock lock(mutex_);
  const bool is_new = models_.emplace(name, model).second;
  require(is_new, "serve: there is a model \"{}\" already", name);
}

std::shared_ptr<ServedModel> Models::find_any(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = models_.find(name);
  return found == models_.end() ? nullptr : found->second;
}

}  // namespace quern::serve
