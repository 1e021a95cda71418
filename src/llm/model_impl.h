#pragma once

#include <memory>
#include <optional>

#include "llm/job.h"
#include "models/source/model_source.h"
#include "quern/llm.h"

namespace quern::llm {

struct Model::Impl {
  ModelInfo info;
  std::unique_ptr<const Decoder> decoder;
  std::shared_ptr<KvPool> pool;
  std::optional<Tokenizer> tokenizer;
  ChatTemplate chat_template;
  std::int64_t context_length = 0;

  Generator generator() const {
    return {*decoder, tokenizer ? &*tokenizer : nullptr, pool, context_length};
  }
  /// A conversation as the prompt it becomes. Needs a tokenizer.
  std::vector<TokenId> encode(std::span<const ChatMessage> messages) const;
  /// The options with what else ends an answer in a conversation.
  GenerateOptions with_stops(GenerateOptions options) const;
};

/// The description of a model whose files are open.
ModelInfo describe(const models::ModelSource& source);
/// Its tokenizer; nothing where it has none.
std::optional<Tokenizer> load_tokenizer(const models::ModelSource& source);

}  // namespace quern::llm
