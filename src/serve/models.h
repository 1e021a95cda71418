#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "quern/llm.h"
#include "quern/onnx/batcher.h"
#include "serve/metrics.h"

namespace quern::serve {

/// A model that is served, of whatever kind.
class ServedModel {
 public:
  explicit ServedModel(std::string name) : name_(std::move(name)) {}
  virtual ~ServedModel() = default;

  const std::string& name() const noexcept { return name_; }
  std::chrono::system_clock::time_point added() const noexcept { return added_; }
  /// Sets the gauges that tell how it does.
  virtual void measure(Metrics& metrics) const = 0;

 private:
  std::string name_;
  std::chrono::system_clock::time_point added_ = std::chrono::system_clock::now();
};

/// A language model, and the engine that runs its requests.
class LanguageModel : public ServedModel {
 public:
  LanguageModel(std::string name, const llm::Model& model, const llm::EngineOptions& options)
      : ServedModel(std::move(name)), engine_(model, options) {}

  llm::Engine& engine() noexcept { return engine_; }
  const llm::Model& model() const noexcept { return engine_.model(); }
  /// The bytes of the longest text that one token stands for. Looked for once.
  std::int64_t longest_piece() const;
  void measure(Metrics& metrics) const override;

 private:
  llm::Engine engine_;
  mutable std::once_flag looked_;
  mutable std::int64_t longest_piece_ = 1;
};

/// An ONNX model.
class OnnxModel : public ServedModel {
 public:
  OnnxModel(std::string name, const onnx::Model& model, const onnx::BatchOptions& options)
      : ServedModel(std::move(name)), batcher_(model, options) {}

  onnx::Batcher& batcher() noexcept { return batcher_; }
  const onnx::ModelInfo& info() const noexcept { return batcher_.model().info(); }
  void measure(Metrics& metrics) const override;

 private:
  onnx::Batcher batcher_;
};

/// The models of a service, by name. Safe to use from several threads at once.
class Models {
 public:
  /// Throws: `invalid_argument` for a name that is empty or taken.
  void add(std::shared_ptr<ServedModel> model);

  /// Null where there is none, or one of another kind.
  template <class Kind>
  std::shared_ptr<Kind> find(std::string_view name) const {
    return std::dynamic_pointer_cast<Kind>(find_any(name));
  }
  /// Those of a kind, by name.
  template <class Kind = ServedModel>
  std::vector<std::shared_ptr<Kind>> all() const {
    std::vector<std::shared_ptr<Kind>> result;
    const std::shared_lock lock(mutex_);
    for (const auto& [name, model] : models_) {
      if (auto of_kind = std::dynamic_pointer_cast<Kind>(model)) result.push_back(of_kind);
    }
    return result;
  }

 private:
  std::shared_ptr<ServedModel> find_any(std::string_view name) const;

  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<ServedModel>, std::less<>> models_;
};

}  // namespace quern::serve
