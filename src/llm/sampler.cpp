#include "llm/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/error.h"
#include "llm/logprob.h"

namespace quern::llm {
namespace {

/// e to the power of `x`, at most 0, within two units in the last place; 0 where f32 has no normal
/// number for it. One that compilers vectorise for any machine.
float exponential(float x) {
  constexpr float kPerPower = 1.44269504f;  // 1 / ln(2)
  constexpr float kRounder = 0x1.8p23f;     // its last bits become the power of two
  constexpr float kLn2 = 0x1.62e4p-1f;      // with few enough bits for exact products
  constexpr float kLn2Rest = 0x1.7f7d1cp-20f;
  constexpr float kLowest = -87.3f;
  // A branch, or a choice that becomes one, would keep loops from being vectorised.
  const auto kept = static_cast<std::uint32_t>(std::bit_cast<std::int32_t>(kLowest - x) >> 31);
  const auto within = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & kept);
  const float shifted = within * kPerPower + kRounder;
  const float power = shifted - kRounder;
  const float r = within - power * kLn2 - power * kLn2Rest;
  float sum = 1.f / 5040;
  for (const float factor : {1.f / 720, 1.f / 120, 1.f / 24, 1.f / 6, 0.5f, 1.f, 1.f})
    sum = sum * r + factor;
  const std::uint32_t bits =
      std::bit_cast<std::uint32_t>(sum) + (std::bit_cast<std::uint32_t>(shifted) << 23);
  return std::bit_cast<float>(bits & kept);
}

/// How likely each is beside the likeliest, `top`.
void exponentials(std::span<const float> logits, float top, float temperature,
                  std::span<float> weights) {
  if (std::isinf(top)) {  // a distance would be NaN
    for (std::size_t i = 0; i < logits.size(); ++i) weights[i] = logits[i] == top ? 1.f : 0.f;
    return;
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    weights[i] = exponential((logits[i] - top) / temperature);
  }
}

float largest_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 128;  // one alone would wait for itself
  std::array<float, kLanes> lanes;
  lanes.fill(values[0]);
  while (values.size() >= kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const float before = lanes[i];
      const float value = values[i];
      lanes[i] = before < value ? value : before;
    }
    values = values.subspan(kLanes);
  }
  for (const float value : values) lanes[0] = std::max(lanes[0], value);
  return std::ranges::max(lanes);
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
  for (float& logit : logits)
    logit = std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit;
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
  const float top = largest_of(logits);
  if (options_.temperature == 0.f)
    return static_cast<TokenId>(std::ranges::find(logits, top) - logits.begin());
  const bool limited = options_.top_k > 0 && options_.top_k < std::ssize(logits);
  if (limited) logits = keep_largest(logits);
  weights_.resize(logits.size());
  exponentials(logits, top, options_.temperature, weights_);
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
