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
#include "quern/onnx.h"
#include "serve/infer/batcher.h"

namespace quern::serve {

/// A language model that is served, and the engine that runs its requests.
struct LanguageModel {
  LanguageModel(std::string its_name, const llm::Model& model, const llm::EngineOptions& options)
      : name(std::move(its_name)), engine(model, options) {}

  /// The bytes of the longest text that one token stands for. Looked for once.
  std::int64_t longest_piece() const;

  std::string name;
  llm::Engine engine;
  std::chrono::system_clock::time_point added = std::chrono::system_clock::now();

 private:
  mutable std::once_flag looked_;
  mutable std::int64_t longest_piece_ = 1;
};

/// An ONNX model that is served.
struct OnnxModel {
  OnnxModel(const onnx::Model& model, const BatchOptions& options) : batcher(model, options) {}

  Batcher batcher;
};

/// The models of a service, by name. Safe to use from several threads at once.
class Models {
 public:
  /// Throws: `invalid_argument` for a name that is empty or taken.
  void add(const std::string& name, const llm::Model& model, const llm::EngineOptions& options);
  void add(const std::string& name, const onnx::Model& model, const BatchOptions& options);

  /// Null where there is none.
  std::shared_ptr<LanguageModel> language_model(std::string_view name) const;
  std::shared_ptr<OnnxModel> onnx_model(std::string_view name) const;
  /// By name.
  std::vector<std::shared_ptr<LanguageModel>> language_models() const;

 private:
  void check_new(const std::string& name) const;

  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<LanguageModel>, std::less<>> language_models_;
  std::map<std::string, std::shared_ptr<OnnxModel>, std::less<>> onnx_models_;
};

}  // namespace quern::serve
