#include "serve/models.h"

#include <algorithm>
#include <mutex>

#include "serve/error.h"

namespace quern::serve {

std::int64_t LanguageModel::longest_piece() const {
  std::call_once(looked_, [this] {
    const Tokenizer& tokenizer = engine.model().tokenizer();
    for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
      longest_piece_ = std::max(longest_piece_, std::ssize(tokenizer.piece(token)));
    }
  });
  return longest_piece_;
}

void Models::check_new(const std::string& name) const {
  require(!name.empty(), "serve: a model needs a name");
  require(!language_models_.contains(name) && !onnx_models_.contains(name),
          "serve: there is a model \"{}\" already", name);
}

void Models::add(const std::string& name, const llm::Model& model,
                 const llm::EngineOptions& options) {
  const std::unique_lock lock(mutex_);
  check_new(name);
  language_models_.emplace(name, std::make_shared<LanguageModel>(name, model, options));
}

void Models::add(const std::string& name, const onnx::Model& model, const BatchOptions& options) {
  const std::unique_lock lock(mutex_);
  check_new(name);
  onnx_models_.emplace(name, std::make_shared<OnnxModel>(model, options));
}

std::shared_ptr<LanguageModel> Models::language_model(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = language_models_.find(name);
  return found == language_models_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<LanguageModel>> Models::language_models() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<LanguageModel>> result;
  for (const auto& [name, model] : language_models_) result.push_back(model);
  return result;
}

std::shared_ptr<OnnxModel> Models::onnx_model(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = onnx_models_.find(name);
  return found == onnx_models_.end() ? nullptr : found->second;
}

}  // namespace quern::serve
