#pragma once

#include <random>
#include <span>
#include <unordered_set>
#include <vector>

#include "quern/llm.h"

namespace quern::llm {

/// Throws: `invalid_argument` for an option out of range.
void check_options(const GenerateOptions& options);

/// Chooses tokens from logits by the options of one request, with a random state of its own.
class Sampler {
 public:
  explicit Sampler(const GenerateOptions& options);

  /// Counts a token of the prompt or the answer for the repetition penalty.
  void see(TokenId token) { seen_.insert(token); }
  /// The next token. NaN counts as the least likely; changes `logits`.
  TokenId choose(std::span<float> logits);

 private:
  struct Candidate {
    TokenId token;
    float weight;  ///< the logit, then the unnormalised probability
  };

  void penalise(std::span<float> logits) const;
  std::size_t nucleus() const;
  TokenId draw(std::size_t count);

  GenerateOptions options_;
  std::mt19937_64 random_;
  std::unordered_set<TokenId> seen_;
  std::vector<Candidate> candidates_;
};

}  // namespace quern::llm
