#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include "quern/llm.h"
#include "support/error_code.h"

using namespace quern;

namespace {

const llm::Model& storyteller() {
  static const auto model = llm::Model::load("examples/models/storyteller-q8_0.gguf");
  return model;
}

llm::GenerateOptions tokens(std::int64_t count) { return {.max_tokens = count}; }

}  // namespace

TEST_CASE("a streamed answer is the answer, in whole UTF-8 pieces") {
  std::string streamed;
  int pieces = 0;
  const auto reply =
      storyteller().generate("Once upon a time", tokens(40), [&](std::string_view piece) {
        streamed += piece;
        ++pieces;
        return Flow::keep_going;
      });
  CHECK(streamed == reply.text);
  CHECK(pieces > 10);
  CHECK(reply.text == storyteller().generate("Once upon a time", tokens(40)).text);
  CHECK(reply.usage.prompt_tokens == 5);
  CHECK(reply.usage.completion_tokens == 40);
  CHECK(reply.finish_reason == llm::FinishReason::length);
  CHECK(reply.timings.prefill_rate(reply.usage) > 0);
  CHECK(reply.timings.decode_rate(reply.usage) > 0);
}

TEST_CASE("a seed decides a sampled text, temperature 0 needs none") {
  const auto text = [](std::uint64_t seed, float temperature) {
    llm::GenerateOptions options{.max_tokens = 30, .temperature = temperature};
    options.seed = seed;
    return storyteller().generate("There once was", options).text;
  };
  CHECK(text(1, 1.f) == text(1, 1.f));
  CHECK(text(1, 1.f) != text(2, 1.f));
  CHECK(text(1, 0.f) == text(2, 0.f));
}

TEST_CASE("a stop string ends the answer before it, and is never streamed") {
  llm::GenerateOptions options{.max_tokens = 100, .temperature = 0.f};
  const std::string whole = storyteller().generate("Once upon a time", options).text;
  const std::string stop = whole.substr(30, 7);
  options.stop = {"never said", stop};
  std::string streamed;
  const auto reply =
      storyteller().generate("Once upon a time", options, [&](std::string_view piece) {
        streamed += piece;
        return Flow::keep_going;
      });
  CHECK(reply.finish_reason == llm::FinishReason::stop);
  CHECK(reply.text == whole.substr(0, whole.find(stop)));
  CHECK(streamed == reply.text);
}

TEST_CASE("a story ends at its end-of-text token, unless told to go on") {
  llm::GenerateOptions options{.max_tokens = 400, .temperature = 0.f};
  const auto reply = storyteller().generate("Once upon a time", options);
  CHECK(reply.finish_reason == llm::FinishReason::stop);
  CHECK(reply.text.find("<|") == std::string::npos);
  options.ignore_stop_tokens = true;
  CHECK(storyteller().generate("Once upon a time", options).usage.completion_tokens == 400);
}

TEST_CASE("a callback can cancel, and what it throws reaches the caller") {
  const auto reply = storyteller().generate("Once upon a time", tokens(100),
                                            [](std::string_view) { return Flow::stop; });
  CHECK(reply.finish_reason == llm::FinishReason::cancelled);
  CHECK(reply.usage.completion_tokens == 1);
  const auto throwing = [](std::string_view) -> Flow {
    throw std::runtime_error("from the callback");
  };
  CHECK_THROWS_WITH(storyteller().generate("Once", tokens(5), throwing), "from the callback");
}

TEST_CASE("the context bounds prompt and answer together") {
  const auto model =
      llm::Model::load("examples/models/storyteller-q8_0.gguf", {.context_length = 20});
  llm::GenerateOptions options{.max_tokens = 100, .temperature = 0.f};
  options.ignore_stop_tokens = true;
  const auto reply = model.generate("Once upon a time", options);
  CHECK(reply.finish_reason == llm::FinishReason::length);
  CHECK(reply.usage.prompt_tokens + reply.usage.completion_tokens ==
        21);  // the last is not fed back
  const std::vector<TokenId> long_prompt(21, 5);
  CHECK(code_of([&] { model.generate(long_prompt); }) == ErrorCode::invalid_argument);
}

TEST_CASE("options and tokens out of range are refused") {
  const auto refused = [](llm::GenerateOptions options) {
    return code_of([&] { storyteller().generate("Once", options); }) == ErrorCode::invalid_argument;
  };
  CHECK(refused({.max_tokens = -1}));
  CHECK(refused({.temperature = -0.1f}));
  CHECK(refused({.top_k = -1}));
  CHECK(refused({.top_p = 0.f}));
  CHECK(refused({.min_p = 1.5f}));
  CHECK(refused({.repetition_penalty = 0.f}));
  CHECK(refused({.frequency_penalty = 2.5f}));
  CHECK(refused({.presence_penalty = -2.5f}));
  CHECK(refused({.logprobs = -1}));
  CHECK(refused({.logprobs = 21}));
  CHECK(refused({.stop = {""}}));
  const std::vector<TokenId> unknown{1, 1024};
  CHECK(code_of([&] { storyteller().generate(unknown); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { storyteller().generate(std::span<const TokenId>()); }) ==
        ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          storyteller().logits(Tensor::from({0, -1}, {1, 2}));
        }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] {
          storyteller().logits(Tensor::zeros({1, 2}));
        }) == ErrorCode::invalid_argument);
}

TEST_CASE("a logit's bias bans a token, or all but demands it") {
  const auto plain =
      storyteller().generate("Once upon a time", {.max_tokens = 8, .temperature = 0});
  const TokenId first = plain.tokens.front();
  llm::GenerateOptions options{.max_tokens = 8, .temperature = 0.f, .logit_bias = {{first, -100}}};
  const auto banned = storyteller().generate("Once upon a time", options);
  CHECK(std::ranges::count(banned.tokens, first) == 0);
  options.temperature = 1;
  options.logit_bias = {{first, 200}};
  const auto demanded = storyteller().generate("Once upon a time", options);
  CHECK(std::ranges::count(demanded.tokens, first) == 8);
  options.logit_bias = {{first, std::numeric_limits<float>::quiet_NaN()}};
  CHECK(code_of([&] { storyteller().generate("Once", options); }) == ErrorCode::invalid_argument);
  options.logit_bias = {{1024, 1}};
  CHECK(code_of([&] { storyteller().generate("Once", options); }) == ErrorCode::invalid_argument);
}

TEST_CASE("a special token is a stop by its text, though no text shows it") {
  const Tokenizer& tokenizer = storyteller().tokenizer();
  const TokenId end = tokenizer.find("<|endoftext|>").value();
  llm::GenerateOptions options{.max_tokens = 8, .temperature = 0.f, .logit_bias = {{end, 200}}};
  options.ignore_stop_tokens = true;
  CHECK(storyteller().generate("Once", options).tokens == std::vector<TokenId>(8, end));
  options.stop = {"<|endoftext|>"};
  const auto stopped = storyteller().generate("Once", options);
  CHECK(stopped.finish_reason == llm::FinishReason::stop);
  CHECK(stopped.text.empty());
  CHECK(stopped.tokens.empty());
}

TEST_CASE("many threads share one model, each with the answer it would get alone") {
  constexpr int kThreads = 4;
  llm::GenerateOptions options{.max_tokens = 12, .temperature = 0.f};
  const char* const prompts[] = {"Once upon a time", "There once was", "One day", "Mia was"};
  std::vector<std::string> alone, together(kThreads);
  for (const char* prompt : prompts) alone.push_back(storyteller().generate(prompt, options).text);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(
        [&, i] { together[i] = storyteller().generate(prompts[i], options).text; });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(together == alone);
}
