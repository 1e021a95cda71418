#pragma once

#include <optional>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

#include "llm/ranking.h"
#include "quern/llm.h"

namespace quern::llm {

/// Throws: `invalid_argument` for an option out of range.
void check_options(const GenerateOptions& options);

struct Choice {
  TokenId token = 0;
  std::optional<ChosenLogprob> logprob = {};  ///< where the options ask for it
};

/// Chooses tokens from logits by the options of one request, with a random state of its own.
class Sampler {
 public:
  explicit Sampler(const GenerateOptions& options);

  /// Counts a token for the penalties.
  void see_prompt(TokenId token) { seen_.try_emplace(token, 0); }
  void see_answer(TokenId token) { ++seen_[token]; }
  /// The next token. NaN counts as the least likely; changes `logits`.
  Choice choose(std::span<float> logits);

 private:
  TokenId choose_token(std::span<float> logits);
  void penalise(std::span<float> logits) const;
  std::span<float> keep_largest(std::span<float> logits);
  std::size_t draw();

  GenerateOptions options_;
  std::mt19937_64 random_;
  std::unordered_map<TokenId, std::int64_t> seen_;  // how often the answer has it
  std::vector<float> weights_;  // unnormalised probabilities, of the likeliest token 1
  std::vector<TokenId> kept_;   // the tokens that top_k leaves
  Ranking ranking_;
};

}  // namespace quern::llm
