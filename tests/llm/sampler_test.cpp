#include "llm/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

#include "support/sanitized.h"

using namespace quern;
using namespace quern::llm;

namespace {

std::map<TokenId, int> draws(GenerateOptions options, std::vector<float> logits, int count = 4000) {
  Sampler sampler(options);
  std::map<TokenId, int> seen;
  for (int i = 0; i < count; ++i) {
    std::vector<float> copy = logits;
    ++seen[sampler.choose(copy).token];
  }
  return seen;
}

GenerateOptions plain(float temperature) {
  return {.temperature = temperature, .top_k = 0, .top_p = 1.f, .min_p = 0.f};
}

const std::vector<float> kLogits{std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};

}  // namespace

TEST_CASE("tokens come as often as they are likely") {
  const auto seen = draws(plain(1.f), kLogits);
  CHECK(seen.at(0) == doctest::Approx(2000).epsilon(0.08));
  CHECK(seen.at(1) == doctest::Approx(1200).epsilon(0.1));
  CHECK(seen.at(3) == doctest::Approx(200).epsilon(0.3));
}

TEST_CASE("temperature sharpens, and 0 takes the first of the likeliest") {
  CHECK(draws(plain(0.25f), kLogits).at(0) > 3200);
  CHECK(draws(plain(0.f), {1.f, 3.f, 3.f}).size() == 1);
  CHECK(draws(plain(0.f), {1.f, 3.f, 3.f}).contains(1));
}

TEST_CASE("top_k, top_p and min_p each drop the unlikely") {
  GenerateOptions options = plain(1.f);
  options.top_k = 2;
  CHECK(draws(options, kLogits).size() == 2);
  options = plain(1.f);
  options.top_p = 0.75f;
  CHECK(draws(options, kLogits).size() == 2);
  options.top_p = 0.01f;
  CHECK(draws(options, kLogits).size() == 1);
  options = plain(1.f);
  options.min_p = 0.2f;
  CHECK(draws(options, kLogits).size() == 3);
}

namespace {

/// What a sampler gave that sorted everything, in f64.
class SortingSampler {
 public:
  explicit SortingSampler(const GenerateOptions& options)
      : options_(options), random_(options.seed) {}

  TokenId choose(const std::vector<float>& logits) {
    std::vector<TokenId> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const auto logit = [&](TokenId id) { return logits[static_cast<std::size_t>(id)]; };
    std::ranges::stable_sort(order, [&](TokenId a, TokenId b) { return logit(a) > logit(b); });
    if (options_.top_k > 0 && options_.top_k < std::ssize(order))
      order.resize(static_cast<std::size_t>(options_.top_k));
    std::vector<double> weights;
    for (const TokenId id : order) {
      const float distance = (logit(id) - logit(order[0])) / options_.temperature;
      weights.push_back(std::exp(static_cast<double>(distance)));
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    double covered = 0;
    std::size_t count = 0;
    while (count < weights.size() && weights[count] >= options_.min_p) {
      covered += weights[count++];
      if (covered >= options_.top_p * total) break;
    }
    double left = static_cast<double>(random_() >> 11) * 0x1.0p-53 * covered;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      left -= weights[i];
      if (left < 0) return order[i];
    }
    return order[count - 1];
  }

 private:
  GenerateOptions options_;
  std::mt19937_64 random_;
};

/// Logits of a vocabulary: of few likely tokens, of many, and with many equal ones.
std::vector<float> many_logits(int kind, std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(kind));
  std::normal_distribution<float> normal(0.f, kind == 0 ? 4.f : 1.f);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = normal(random);
  if (kind == 2) {
    for (float& logit : logits) logit = std::round(logit * 2.f) / 2.f;
  }
  if (kind == 3) std::ranges::fill(logits, -1.5f);
  return logits;
}

}  // namespace

TEST_CASE("without sorting, the tokens are those that sorting gives, equal ones by their ids") {
  const auto kVocabularies = kThreadSanitized ? std::vector<std::size_t>{1, 7, 100}
                                              : std::vector<std::size_t>{1, 7, 1000, 12000};
  for (const int kind : {0, 1, 2, 3}) {
    for (const std::size_t count : kVocabularies) {
      const std::vector<float> logits = many_logits(kind, count);
      for (const float top_p : {0.05f, 0.9f, 1.f}) {
        for (const float min_p : {0.f, 0.02f}) {
          for (const int top_k : {0, 1, 40, 999, 5000}) {
            for (const float temperature : {0.3f, 1.f}) {
              GenerateOptions options{.temperature = temperature,
                                      .top_k = top_k,
                                      .top_p = top_p,
                                      .min_p = min_p,
                                      .seed = 5};
              Sampler sampler(options);
              SortingSampler sorting(options);
              for (int i = 0; i < 4; ++i) {
                std::vector<float> copy = logits;
                INFO("kind " << kind << " count " << count << " top_p " << top_p << " min_p "
                             << min_p << " top_k " << top_k);
                CHECK(sampler.choose(copy).token == sorting.choose(logits));
              }
            }
          }
        }
      }
    }
  }
}

#if !defined(QUERN_TEST_ASAN) && !defined(QUERN_TEST_TSAN)
TEST_CASE("a token of 128,000 candidates is chosen in the time of a few passes over them") {
  const std::vector<float> logits = many_logits(1, 128000);
  const auto seconds_of = [&](const auto& work) {
    double best = 1;
    for (int i = 0; i < 20; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      work();
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
  };
  std::vector<float> copy = logits;
  const double sorting = seconds_of([&] {
    copy = logits;
    std::ranges::sort(copy);
  });
  for (const auto& [name, top_k, top_p, min_p] :
       {std::tuple("top_p", 0, 0.9f, 0.f), std::tuple("min_p", 0, 1.f, 0.05f),
        std::tuple("temperature", 0, 1.f, 0.f), std::tuple("top_k", 40, 1.f, 0.f)}) {
    Sampler sampler({.top_k = top_k, .top_p = top_p, .min_p = min_p});
    const double choosing = seconds_of([&] {
      copy = logits;
      sampler.choose(copy);
    });
    MESSAGE(name << ": " << choosing * 1e3 << " ms, sorting " << sorting * 1e3 << " ms");
    CHECK(choosing < sorting / 4);
  }
}
#endif

TEST_CASE("a repetition penalty lowers what was seen, of either sign") {
  GenerateOptions options = plain(0.f);
  options.repetition_penalty = 2.f;
  Sampler sampler(options);
  sampler.see_prompt(0);
  std::vector<float> positive{3.f, 2.f};
  CHECK(sampler.choose(positive).token == 1);
  std::vector<float> negative{-1.f, -1.5f};
  CHECK(sampler.choose(negative).token == 1);
}

TEST_CASE("frequency and presence penalties lower what the answer has, not the prompt") {
  GenerateOptions options = plain(0.f);
  options.frequency_penalty = 0.5f;
  options.presence_penalty = 1.f;
  Sampler sampler(options);
  const auto penalised = [&] {
    std::vector<float> logits{4.f, 4.f, 0.f};
    sampler.choose(logits);
    return logits;
  };
  sampler.see_prompt(0);
  sampler.see_answer(1);
  CHECK(penalised() == std::vector<float>{4.f, 2.5f, 0.f});
  sampler.see_answer(1);
  sampler.see_answer(0);
  CHECK(penalised() == std::vector<float>{2.5f, 2.f, 0.f});
}

TEST_CASE("logprobs are the model's own, whatever the options make of them") {
  GenerateOptions options = plain(0.f);
  options.frequency_penalty = 2.f;
  options.logprobs = 2;
  Sampler sampler(options);
  sampler.see_answer(0);
  std::vector<float> logits = kLogits;
  const Choice choice = sampler.choose(logits);
  CHECK(choice.token == 1);
  REQUIRE(choice.logprob.has_value());
  CHECK(choice.logprob->token == 1);
  CHECK(choice.logprob->logprob == doctest::Approx(std::log(0.3f)));
  REQUIRE(choice.logprob->top.size() == 2);
  CHECK(choice.logprob->top[0].token == 0);
  CHECK(choice.logprob->top[0].logprob == doctest::Approx(std::log(0.5f)));
  CHECK(choice.logprob->top[1].token == 1);
}

TEST_CASE("logits that are not finite do not harm") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(draws(plain(1.f), {std::nanf(""), 1.f, -kInfinity}, 50).size() == 1);
  CHECK(draws(plain(1.f), {0.f, kInfinity, 0.f}, 50).contains(1));
  CHECK(draws(plain(1.f), {-kInfinity, -kInfinity}, 50).size() >= 1);
  GenerateOptions options = plain(0.f);
  options.logprobs = 1;
  std::vector<float> logits{-kInfinity, kInfinity};
  const Choice choice = Sampler(options).choose(logits);
  CHECK(choice.logprob->logprob == 0.f);
}
