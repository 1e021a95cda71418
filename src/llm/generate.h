#pragma once

#include <span>

#include "llm/arch/architecture.h"
#include "quern/llm.h"

namespace quern::llm {

/// What a generation needs of its model.
struct Generator {
  const Decoder& decoder;
  const Tokenizer* tokenizer;  ///< may be null
  std::int64_t context_length;
};

/// Continues `prompt`, of which `sequence` holds the first `sequence.length()` tokens already, and
/// leaves in it every token whose keys and values were computed.
Reply generate(const Generator& generator, KvSequence& sequence, std::span<const TokenId> prompt,
               const GenerateOptions& options, const StreamCallback& callback);

/// Runs `ids` through the decoder in chunks and returns the logits [1, vocab_size] of the last.
Tensor prefill(const Decoder& decoder, KvSequence& sequence, std::span<const TokenId> ids);

/// Throws: `invalid_argument` for an id outside the vocabulary.
void check_tokens(std::span<const TokenId> ids, std::int64_t vocab_size);

}  // namespace quern::llm
