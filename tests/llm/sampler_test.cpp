#include "llm/sampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>

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
