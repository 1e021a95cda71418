#pragma once

#include <span>

#include "quern/llm.h"

namespace quern::llm {

/// The logprob of `token` among `logits`, with those of the `alternatives` likeliest tokens;
/// equally likely ones in the order of their ids.
ChosenLogprob logprob_of(TokenId token, std::span<const float> logits, int alternatives);

}  // namespace quern::llm
