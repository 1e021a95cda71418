#pragma once

#include <optional>
#include <span>
#include <string>

#include "llm/text_stream.h"
#include "quern/llm.h"

namespace quern::llm {

/// The text of an answer, on its way into a reply and to a callback.
class Answer {
 public:
  /// `tokenizer` may be null: then there is no text.
  Answer(const Tokenizer* tokenizer, const GenerateOptions& options, DeltaCallback callback)
      : tokenizer_(tokenizer), stream_(options.stop), callback_(std::move(callback)) {}

  /// Takes the next token, `prompt` being what the answer continues. False where the answer must
  /// end, for the reason then in `reply`. Throws: what the callback throws.
  bool add(std::span<const TokenId> prompt, TokenId token,
           const std::optional<ChosenLogprob>& logprob, Reply& reply);
  /// Hands over what was held back. Throws: what the callback throws.
  void finish(Reply& reply);

 private:
  bool show(const std::string& text, Reply& reply);
  std::string piece(std::span<const TokenId> prompt, const Reply& reply) const;

  const Tokenizer* tokenizer_;
  TextStream stream_;
  DeltaCallback callback_;
  std::size_t shown_tokens_ = 0;
};

}  // namespace quern::llm
