#include "llm/logprob.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace quern::llm {

ChosenLogprob logprob_of(TokenId token, std::span<const float> logits, int alternatives) {
  const float largest = std::ranges::max(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - largest);
  const double log_total = std::isfinite(largest) ? std::log(total) : 0;
  const auto logprob = [&](TokenId id) {
    const float logit = logits[static_cast<std::size_t>(id)];
    // Equal infinities would give NaN.
    const double distance = logit == largest ? 0 : static_cast<double>(logit) - largest;
    return TokenLogprob{id, static_cast<float>(distance - log_total)};
  };
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count = std::min<std::ptrdiff_t>(alternatives, std::ssize(ids));
  std::ranges::partial_sort(ids, ids.begin() + count, [&](TokenId a, TokenId b) {
    const float left = logits[static_cast<std::size_t>(a)];
    const float right = logits[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  });
  ChosenLogprob result{logprob(token), {}};
  for (std::ptrdiff_t i = 0; i < count; ++i)
    result.top.push_back(logprob(ids[static_cast<std::size_t>(i)]));
  return result;
}

}  // namespace quern::llm
