#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/answer.h"
#include "llm/sampler.h"
#include "models/arch/architecture.h"
#include "quern/llm.h"

namespace quern::llm {

using models::Batch;
using models::Decoder;
using models::KvPool;
using models::KvSequence;

/// What a generation needs of its model.
struct Generator {
  const Decoder& decoder;
  const Tokenizer* tokenizer;  ///< may be null
  std::shared_ptr<KvPool> pool;
  std::int64_t context_length;
};

/// What passes the text of each delta on, and in no text only where there is no tokenizer.
DeltaCallback text_only(const StreamCallback& callback, bool has_tokenizer);

/// Throws: `invalid_argument` for an id outside the vocabulary.
void check_tokens(std::span<const TokenId> ids, std::int64_t vocab_size);

/// One generation under way: its tokens, their keys and values, and its reply. One thread at a
/// time, but for `cancelled`.
class Job {
 public:
  /// Throws: `invalid_argument` for an option or token out of range, an empty prompt or one beyond
  /// the context.
  Job(const Generator& generator, std::vector<TokenId> prompt, const GenerateOptions& options,
      DeltaCallback callback);

  std::span<const TokenId> prompt() const {
    return std::span(tokens_).first(static_cast<std::size_t>(reply_.usage.prompt_tokens));
  }
  /// The prompt and the answer so far.
  std::span<const TokenId> tokens() const { return tokens_; }
  /// Of these, the ones whose keys and values are not yet there.
  std::span<const TokenId> pending() const {
    return std::span(tokens_).subspan(static_cast<std::size_t>(sequence_.length()));
  }
  /// Whether a token of the answer is all that is pending.
  bool decoding() const { return std::ssize(tokens_) > reply_.usage.prompt_tokens; }
  /// Tokens that the sequence may come to hold.
  std::int64_t worst_length() const;
  /// Until the job begins it may be given the first tokens of the prompt, but never all of them.
  KvSequence& sequence() { return sequence_; }

  /// Notes that the prompt is begun, with what `sequence` holds now.
  void begin();
  /// Chooses the next token from logits, which it changes. Jobs may do so in parallel.
  void choose(std::span<float> logits);
  /// Adds the token chosen to the answer. Ends the job where it is the last, or where the callback
  /// stops or throws.
  void deliver();
  void end(FinishReason reason);
  void fail(std::exception_ptr error);

  bool finished() const { return finished_; }
  /// Throws: what `fail` or the callback left.
  Reply take_reply();

  std::atomic<bool> cancelled = false;

 private:
  bool ends_answer(TokenId token) const;

  const Tokenizer* tokenizer_;
  std::int64_t context_length_;
  GenerateOptions options_;
  std::vector<TokenId> special_stops_;
  std::vector<TokenId> tokens_;
  KvSequence sequence_;
  Sampler sampler_;
  Answer answer_;
  Choice choice_;
  Reply reply_;
  std::exception_ptr error_;
  bool finished_ = false;
  std::chrono::steady_clock::time_point made_;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point first_token_;
};

}  // namespace quern::llm
