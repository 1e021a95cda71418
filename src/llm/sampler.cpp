#include "llm/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "llm/logprob.h"

namespace quern::llm {

void check_options(const GenerateOptions& options) {
  require(options.max_tokens >= 0, "generate: max_tokens {} is negative", options.max_tokens);
  require(options.temperature >= 0.f && options.temperature <= 100.f,
          "generate: temperature {} is not in [0, 100]", options.temperature);
  require(options.top_k >= 0, "generate: top_k {} is negative", options.top_k);
  require(options.top_p > 0.f && options.top_p <= 1.f, "generate: top_p {} is not in (0, 1]",
          options.top_p);
  require(options.min_p >= 0.f && options.min_p <= 1.f, "generate: min_p {} is not in [0, 1]",
          options.min_p);
  require(options.repetition_penalty > 0.f && options.repetition_penalty <= 100.f,
          "generate: repetition_penalty {} is not in (0, 100]", options.repetition_penalty);
  for (const auto& [name, penalty] : {std::pair("frequency_penalty", options.frequency_penalty),
                                      std::pair("presence_penalty", options.presence_penalty)}) {
    require(penalty >= -2.f && penalty <= 2.f, "generate: {} {} is not in [-2, 2]", name, penalty);
  }
  for (const auto& [token, bias] : options.logit_bias) {
    require(bias < std::numeric_limits<float>::infinity(),
            "generate: the logit_bias of token {}, {}, is not a number below infinity", token,
            bias);
  }
  const int alternatives = options.logprobs.value_or(0);
  require(alternatives >= 0 && alternatives <= 20, "generate: logprobs {} is not in [0, 20]",
          alternatives);
  for (const std::string& stop : options.stop)
    require(!stop.empty(), "generate: an empty stop string");
}

Sampler::Sampler(const GenerateOptions& options) : options_(options), random_(options.seed) {}

Choice Sampler::choose(std::span<float> logits) {
  for (float& logit : logits) {
    if (std::isnan(logit)) logit = -std::numeric_limits<float>::infinity();
  }
  if (!options_.logprobs) return {choose_token(logits)};
  const std::vector<float> unchanged(logits.begin(), logits.end());
  const TokenId token = choose_token(logits);
  return {token, logprob_of(token, unchanged, *options_.logprobs)};
}

TokenId Sampler::choose_token(std::span<float> logits) {
  for (const auto& [token, bias] : options_.logit_bias) {
    logits[static_cast<std::size_t>(token)] += bias;
  }
  penalise(logits);
  if (options_.temperature == 0.f) {
    return static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
  }
  candidates_.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    candidates_[i] = {static_cast<TokenId>(i), logits[i]};
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  };
  const bool limited =
      options_.top_k > 0 && static_cast<std::size_t>(options_.top_k) < candidates_.size();
  const auto count = limited ? static_cast<std::size_t>(options_.top_k) : candidates_.size();
  std::ranges::partial_sort(candidates_, candidates_.begin() + static_cast<std::ptrdiff_t>(count),
                            likelier);
  candidates_.resize(count);
  const float largest = candidates_.front().weight;
  for (Candidate& candidate : candidates_) {
    // Equal infinities would give NaN.
    const float distance = candidate.weight == largest ? 0.f : candidate.weight - largest;
    candidate.weight = std::exp(distance / options_.temperature);
  }
  return draw(nucleus());
}

void Sampler::penalise(std::span<float> logits) const {
  const float repetition = options_.repetition_penalty;
  if (repetition == 1.f && options_.frequency_penalty == 0.f && options_.presence_penalty == 0.f)
    return;
  for (const auto& [token, count] : seen_) {
    if (static_cast<std::size_t>(token) >= logits.size()) continue;
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0.f ? logit / repetition : logit * repetition;
    if (count == 0) continue;
    logit -= static_cast<float>(count) * options_.frequency_penalty + options_.presence_penalty;
  }
}

/// How many of the candidates, likeliest first, top_p and min_p leave.
std::size_t Sampler::nucleus() const {
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double covered = 0;
  std::size_t count = 0;
  while (count < candidates_.size() &&
         candidates_[count].weight >= options_.min_p * candidates_.front().weight) {
    covered += candidates_[count++].weight;
    if (covered >= options_.top_p * total) break;
  }
  return std::max<std::size_t>(count, 1);
}

TokenId Sampler::draw(std::size_t count) {
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) total += candidates_[i].weight;
  // Not std::uniform_real_distribution, whose values differ between standard libraries.
  double left = static_cast<double>(random_() >> 11) * 0x1.0p-53 * total;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    left -= candidates_[i].weight;
    if (left < 0) return candidates_[i].token;
  }
  return candidates_[count - 1].token;
}

}  // namespace quern::llm
