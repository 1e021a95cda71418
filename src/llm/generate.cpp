#include "llm/generate.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"
#include "llm/sampler.h"
#include "llm/text_stream.h"

namespace quern::llm {
namespace {

constexpr std::int64_t kPrefillChunk = 512;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool ends_answer(const Generator& generator, const GenerateOptions& options, TokenId token) {
  if (options.ignore_stop_tokens || generator.tokenizer == nullptr) return false;
  return std::ranges::count(generator.tokenizer->stop_tokens(), token) > 0;
}

/// The text of an answer on its way to a callback.
class Answer {
 public:
  Answer(const Generator& generator, std::span<const TokenId> prompt,
         const GenerateOptions& options, const StreamCallback& callback)
      : tokenizer_(generator.tokenizer),
        prompt_(prompt),
        stream_(options.stop),
        callback_(callback) {}

  /// False where generation must end, for the reason then in `reply`.
  bool add(TokenId token, Reply& reply) {
    reply.tokens.push_back(token);
    if (tokenizer_ == nullptr) return show("", reply);
    const std::string piece =
        reply.tokens.size() == 1 ? first_piece(token) : tokenizer_->piece(token);
    if (!show(stream_.push(piece), reply)) return false;
    if (!stream_.stopped()) return true;
    reply.finish_reason = FinishReason::stop;
    return false;
  }
  void finish(Reply& reply) {
    const FinishReason reason = reply.finish_reason;
    if (reason != FinishReason::cancelled && !stream_.stopped()) show(stream_.finish(), reply);
    reply.finish_reason = reason;
  }

 private:
  bool show(const std::string& piece, Reply& reply) {
    reply.text += piece;
    // Without a tokenizer there is no text, but a caller may still want to stop.
    const bool worth_a_call = !piece.empty() || tokenizer_ == nullptr;
    if (!callback_ || !worth_a_call || callback_(piece) == Flow::keep_going) return true;
    reply.finish_reason = FinishReason::cancelled;
    return false;
  }

  /// What the first token adds to the prompt's text: a space before a text's first word is dropped.
  std::string first_piece(TokenId token) const {
    std::vector<TokenId> ids(prompt_.begin(), prompt_.end());
    const std::size_t before = tokenizer_->decode(ids).size();
    ids.push_back(token);
    return tokenizer_->decode(ids).substr(before);
  }

  const Tokenizer* tokenizer_;
  std::span<const TokenId> prompt_;
  TextStream stream_;
  const StreamCallback& callback_;
};

}  // namespace

void check_tokens(std::span<const TokenId> ids, std::int64_t vocab_size) {
  for (const TokenId id : ids) {
    require(id >= 0 && id < vocab_size, "generate: token {} is outside the vocabulary of {}", id,
            vocab_size);
  }
}

Tensor prefill(const Decoder& decoder, KvSequence& sequence, std::span<const TokenId> ids) {
  Tensor logits;
  while (!ids.empty()) {
    const auto chunk = ids.first(std::min<std::size_t>(ids.size(), kPrefillChunk));
    ids = ids.subspan(chunk.size());
    const auto count = static_cast<std::int64_t>(chunk.size());
    Batch batch;
    batch.add(sequence, chunk);
    if (ids.empty()) batch.want_last();
    sequence.reserve(count);
    logits = decoder.forward(batch);
    sequence.advance(count);
  }
  return logits;
}

Reply generate(const Generator& generator, KvSequence& sequence, std::span<const TokenId> prompt,
               const GenerateOptions& options, const StreamCallback& callback) {
  check_options(options);
  check_tokens(prompt, generator.decoder.config().vocab_size);
  const auto prompt_size = static_cast<std::int64_t>(prompt.size());
  require(prompt_size > 0, "generate: the prompt is empty");
  require(prompt_size <= generator.context_length,
          "generate: the prompt has {} tokens, the context {}", prompt_size,
          generator.context_length);
  Reply reply;
  reply.finish_reason = FinishReason::length;
  reply.usage = {
      .prompt_tokens = prompt_size, .cached_tokens = sequence.length(), .completion_tokens = 0};
  if (options.max_tokens == 0) return reply;

  Sampler sampler(options);
  for (const TokenId token : prompt) sampler.see(token);
  Answer answer(generator, prompt, options, callback);
  const auto start = std::chrono::steady_clock::now();
  Tensor logits = prefill(generator.decoder, sequence,
                          prompt.subspan(static_cast<std::size_t>(sequence.length())));
  auto decode_start = start;
  for (std::int64_t count = 0;;) {
    const TokenId token = sampler.choose(logits.mutable_data<float>());
    if (count == 0) {
      reply.timings.prefill_seconds = seconds_since(start);
      decode_start = std::chrono::steady_clock::now();
    }
    reply.usage.completion_tokens = ++count;
    if (ends_answer(generator, options, token)) {
      reply.finish_reason = FinishReason::stop;
      break;
    }
    if (!answer.add(token, reply)) break;
    if (count == options.max_tokens || sequence.length() == generator.context_length) break;
    sampler.see(token);
    logits = prefill(generator.decoder, sequence, {&token, 1});
  }
  reply.timings.decode_seconds = seconds_since(decode_start);
  answer.finish(reply);
  return reply;
}

}  // namespace quern::llm
