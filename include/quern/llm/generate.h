#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/function.h"
#include "quern/tokenizer.h"

namespace quern {

/// What a callback wants next; one that returns nothing wants to go on.
enum class Flow { keep_going, stop };

}  // namespace quern

namespace quern::llm {

/// What is added to a token's logit before all else: below 0 it comes less often, at -infinity
/// never.
struct LogitBias {
  TokenId token = 0;
  float bias = 0;
};

struct GenerateOptions {
  std::int64_t max_tokens = 256;
  float temperature = 0.8f;  ///< 0: always the likeliest token
  int top_k = 40;            ///< only the k likeliest; 0: all
  float top_p = 0.95f;       ///< only the likeliest that together have this probability; 1: all
  float min_p = 0.05f;       ///< only those this likely relative to the likeliest; 0: all
  float repetition_penalty =
      1.f;  ///< divides the logits of tokens seen before (Keskar et al., 2019); 1: none
  float frequency_penalty =
      0.f;  ///< taken from a token's logit for each time the answer has it, in [-2, 2]
  float presence_penalty =
      0.f;                 ///< taken from the logits of tokens that the answer has, in [-2, 2]
  std::uint64_t seed = 0;  ///< equal seeds give equal texts, alone or with Accuracy::exact
  std::vector<LogitBias> logit_bias = {};  ///< a token that occurs twice gets both
  /// Texts that end the answer, and are not part of it. One that is a special token's is that
  /// token.
  std::vector<std::string> stop = {};
  bool ignore_stop_tokens = false;  ///< go on after an end-of-text token
  /// Reports the logprob of each token of the answer, with those of so many of the likeliest
  /// tokens there, in [0, 20]; none: no logprobs.
  std::optional<int> logprobs = {};
};

/// The natural logarithm of a token's probability by the model itself, before penalties,
/// temperature and what limits the choice; may be -infinity.
struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;
};

/// The logprob of one token of an answer.
struct ChosenLogprob : TokenLogprob {
  std::vector<TokenLogprob> top;  ///< the likeliest tokens there, likeliest first
};

/// Receives the answer as it grows: whole UTF-8 sequences, never a part of a stop string. May stop
/// it.
using StreamCallback = Function<Flow(std::string_view piece)>;

enum class FinishReason {
  stop,      ///< a stop token or a stop string
  length,    ///< max_tokens, or the end of the context
  cancelled  ///< asked for by the callback, the caller, or the end of the engine
};
QUERN_API std::string_view to_string(FinishReason reason) noexcept;

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  ///< of the prompt, those whose keys and values were still there
  std::int64_t completion_tokens = 0;
};

struct Timings {
  double queue_seconds = 0;    ///< until the prompt was begun
  double prefill_seconds = 0;  ///< until the first token was chosen
  double decode_seconds = 0;   ///< for the tokens after the first
  /// Tokens per second; 0 where there were none.
  double prefill_rate(const Usage& usage) const {
    return prefill_seconds > 0
               ? static_cast<double>(usage.prompt_tokens - usage.cached_tokens) / prefill_seconds
               : 0;
  }
  double decode_rate(const Usage& usage) const {
    return decode_seconds > 0 ? static_cast<double>(usage.completion_tokens - 1) / decode_seconds
                              : 0;
  }
};

struct Reply {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<ChosenLogprob> logprobs;  ///< one for each of `tokens`, where asked for
  FinishReason finish_reason = FinishReason::stop;
  Usage usage;
  Timings timings;
};

}  // namespace quern::llm
