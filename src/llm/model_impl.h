#pragma once

#include <memory>
#include <optional>

#include "llm/generate.h"
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
    return {*decoder, tokenizer ? &*tokenizer : nullptr, context_length};
  }
};

/// The description of a model whose files are open.
ModelInfo describe(const ModelSource& source);
/// Its tokenizer; nothing where it has none.
std::optional<Tokenizer> load_tokenizer(const ModelSource& source);

}  // namespace quern::llm
