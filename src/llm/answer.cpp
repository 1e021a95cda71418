#include "llm/answer.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace quern::llm {

bool Answer::add(std::span<const TokenId> prompt, TokenId token,
                 const std::optional<ChosenLogprob>& logprob, Reply& reply) {
  reply.tokens.push_back(token);
  if (logprob) reply.logprobs.push_back(*logprob);
  const std::string text = tokenizer_ ? stream_.push(piece(prompt, reply)) : std::string();
  reply.text += text;
  // Without a tokenizer there is no text, but a caller may still want to stop.
  const bool worth_a_call = !text.empty() || tokenizer_ == nullptr;
  if (worth_a_call && !show(text, reply)) {
    reply.finish_reason = FinishReason::cancelled;
    return false;
  }
  if (!stream_.stopped()) return true;
  reply.finish_reason = FinishReason::stop;
  return false;
}

void Answer::finish(Reply& reply) {
  if (reply.finish_reason == FinishReason::cancelled) return;
  const std::string text = stream_.stopped() ? std::string() : stream_.finish();
  reply.text += text;
  if (!text.empty() || shown_tokens_ < reply.tokens.size()) show(text, reply);
}

bool Answer::show(const std::string& text, Reply& reply) {
  const std::size_t from = std::exchange(shown_tokens_, reply.tokens.size());
  if (!callback_) return true;
  const std::span logprobs(reply.logprobs);
  return callback_({.text = text,
                    .tokens = std::span(reply.tokens).subspan(from),
                    .logprobs = logprobs.subspan(std::min(from, logprobs.size()))}) ==
         Flow::keep_going;
}

/// What the last token adds: the first one to the prompt's text, as a space before a text's first
/// word is dropped.
std::string Answer::piece(std::span<const TokenId> prompt, const Reply& reply) const {
  const TokenId token = reply.tokens.back();
  if (reply.tokens.size() > 1) return tokenizer_->piece(token);
  std::vector<TokenId> ids(prompt.begin(), prompt.end());
  const std::size_t before = tokenizer_->decode(ids).size();
  ids.push_back(token);
  return tokenizer_->decode(ids).substr(before);
}

}  // namespace quern::llm
