#include "llm/job.h"

#include <algorithm>

#include "core/error.h"

namespace quern::llm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// Of the stops, those that no text has: special tokens give none.
std::vector<TokenId> special_stops(const Tokenizer* tokenizer, std::span<const std::string> stops) {
  std::vector<TokenId> ids;
  if (tokenizer == nullptr) return ids;
  for (const std::string& stop : stops) {
    const auto id = tokenizer->find(stop);
    if (id && tokenizer->is_special(*id)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace

void check_tokens(std::span<const TokenId> ids, std::int64_t vocab_size) {
  for (const TokenId id : ids) {
    require(id >= 0 && id < vocab_size, "generate: token {} is outside the vocabulary of {}", id,
            vocab_size);
  }
}

DeltaCallback text_only(const StreamCallback& callback, bool has_tokenizer) {
  if (!callback) return {};
  return [&callback, has_tokenizer](const Delta& delta) {
    return delta.text.empty() && has_tokenizer ? Flow::keep_going : callback(delta.text);
  };
}

Job::Job(const Generator& generator, std::vector<TokenId> prompt, const GenerateOptions& options,
         DeltaCallback callback)
    : tokenizer_(generator.tokenizer),
      context_length_(generator.context_length),
      options_(options),
      special_stops_(special_stops(generator.tokenizer, options.stop)),
      tokens_(std::move(prompt)),
      sequence_(generator.pool),
      sampler_(options),
      answer_(generator.tokenizer, options, std::move(callback)),
      made_(Clock::now()) {
  check_options(options);
  check_tokens(tokens_, generator.decoder.info().vocab_size);
  for (const LogitBias& biased : options.logit_bias) {
    check_tokens({&biased.token, 1}, generator.decoder.info().vocab_size);
  }
  require(!tokens_.empty(), "generate: the prompt is empty");
  require(std::ssize(tokens_) <= context_length_,
          "generate: the prompt has {} tokens, the context {}", tokens_.size(), context_length_);
  reply_.finish_reason = FinishReason::length;
  reply_.usage.prompt_tokens = std::ssize(tokens_);
  for (const TokenId token : tokens_) sampler_.see_prompt(token);
}

// The answer's last token is not fed back.
std::int64_t Job::worst_length() const {
  const std::int64_t answer = std::clamp<std::int64_t>(options_.max_tokens - 1, 0, context_length_);
  return std::min(reply_.usage.prompt_tokens + answer, context_length_);
}

void Job::begin() {
  begun_ = Clock::now();
  reply_.timings.queue_seconds = seconds(made_, begun_);
  reply_.usage.cached_tokens = sequence_.length();
  if (options_.max_tokens == 0) end(FinishReason::length);
}

void Job::choose(std::span<float> logits) { choice_ = sampler_.choose(logits); }

void Job::deliver() {
  if (++reply_.usage.completion_tokens == 1) {
    first_token_ = Clock::now();
    reply_.timings.prefill_seconds = seconds(begun_, first_token_);
  }
  if (ends_answer(choice_.token)) return end(FinishReason::stop);
  try {
    if (!answer_.add(prompt(), choice_.token, choice_.logprob, reply_))
      return end(reply_.finish_reason);
  } catch (...) {
    return fail(std::current_exception());
  }
  if (reply_.usage.completion_tokens == options_.max_tokens ||
      std::ssize(tokens_) == context_length_) {
    return end(FinishReason::length);
  }
  tokens_.push_back(choice_.token);
  sampler_.see_answer(choice_.token);
}

void Job::end(FinishReason reason) {
  reply_.finish_reason = reason;
  if (reply_.usage.completion_tokens > 0)
    reply_.timings.decode_seconds = seconds(first_token_, Clock::now());
  try {
    answer_.finish(reply_);
  } catch (...) {
    error_ = std::current_exception();
  }
  finished_ = true;
}

void Job::fail(std::exception_ptr error) {
  error_ = std::move(error);
  finished_ = true;
}

Reply Job::take_reply() {
  if (error_) std::rethrow_exception(error_);
  return std::move(reply_);
}

bool Job::ends_answer(TokenId token) const {
  if (std::ranges::count(special_stops_, token) > 0) return true;
  if (options_.ignore_stop_tokens || tokenizer_ == nullptr) return false;
  return std::ranges::count(tokenizer_->stop_tokens(), token) > 0;
}

}  // namespace quern::llm
