#include "llm/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/error.h"
#include "llm/logprob.h"

namespace quern::llm {
namespace {

/// e to the power of `x`, at most 0, rounded to nearest but in a few of a thousand; 0 where f32 has
/// no normal number for it. One that compilers can vectorise.
float exponential(float x) {
  constexpr double kPerPower = 1.4426950408889634;  // 1 / ln(2)
  constexpr double kRounder = 0x1.8p52;             // its last bits become the power of two
  constexpr float kLowest = -87.3f;
  const double within = x < kLowest ? kLowest : x;
  const double shifted = within * kPerPower + kRounder;
  const double r = within - (shifted - kRounder) * 0.6931471805599453;
  double sum = 1.0 / 362880;
  for (const double factor :
       {1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0}) {
    sum = sum * r + factor;
  }
  const auto bits =
      std::bit_cast<std::uint64_t>(sum) + (std::bit_cast<std::uint64_t>(shifted) << 52);
  return x < kLowest ? 0.f : static_cast<float>(std::bit_cast<double>(bits));
}

}  // namespace

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
  const auto largest = std::ranges::max_element(logits);
  if (options_.temperature == 0.f) return static_cast<TokenId>(largest - logits.begin());
  const float top = *largest;
  const bool limited = options_.top_k > 0 && options_.top_k < std::ssize(logits);
  if (limited) logits = keep_largest(logits);
  weights_.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    // Equal infinities would give NaN.
    const float distance = logits[i] == top ? 0.f : logits[i] - top;
    weights_[i] = exponential(distance / options_.temperature);
  }
  const std::size_t place = draw();
  return limited ? kept_[place] : static_cast<TokenId>(place);
}

/// Moves the top_k largest to the front, as they stand in order, and their tokens into `kept_`.
std::span<float> Sampler::keep_largest(std::span<float> logits) {
  ranking_.rank(logits, Ranking::Measure::count);
  const Ranking::Place last = ranking_.reach(options_.top_k);
  const float least = logits[last.index];
  kept_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] < least || (logits[i] == least && i > last.index)) continue;
    logits[kept_.size()] = logits[i];
    kept_.push_back(static_cast<TokenId>(i));
  }
  return logits.first(kept_.size());
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

/// The place of a weight among those that top_p and min_p leave, drawn by weight.
std::size_t Sampler::draw() {
  ranking_.rank(weights_, Ranking::Measure::value);
  const double total = ranking_.total();
  if (options_.min_p > 0.f) {
    for (float& weight : weights_) weight = weight >= options_.min_p ? weight : 0.f;
    ranking_.rank(weights_, Ranking::Measure::value);
  }
  const double left =
      options_.top_p < 1.f ? ranking_.reach(options_.top_p * total).sum : ranking_.total();
  // Not std::uniform_real_distribution, whose values differ between standard libraries.
  return ranking_.pass(static_cast<double>(random_() >> 11) * 0x1.0p-53 * left).index;
}

}  // namespace quern::llm
