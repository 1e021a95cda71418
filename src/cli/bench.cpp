#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "quern/llm.h"
#include "quern/runtime.h"

namespace quern::cli {
namespace {

struct BenchArguments {
  std::string model;
  std::int64_t prompt_tokens = 512;
  std::int64_t decode_tokens = 64;
  std::int64_t streams = 1;
  int rounds = 3;
  int threads = 0;
  bool exact = false;
  bool json = false;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Rates {
  double prompt = 0;
  double decode = 0;
};

// As llama-bench measures: the prompt alone, then decoding from a single token.
Rates measure(const llm::Model& model, const BenchArguments& arguments) {
  const auto vocab = static_cast<std::uint64_t>(model.info().vocab_size);
  std::vector<TokenId> prompt(static_cast<std::size_t>(arguments.prompt_tokens));
  std::uint64_t state = 1;
  for (TokenId& token : prompt) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    token = static_cast<TokenId>((state >> 33) % vocab);
  }
  const llm::GenerateOptions greedy{
      .max_tokens = 1, .temperature = 0.f, .ignore_stop_tokens = true};
  const llm::Reply prefill = model.generate(prompt, greedy);
  llm::GenerateOptions many = greedy;
  many.max_tokens = arguments.decode_tokens + 1;
  const llm::Reply decode = model.generate(std::span(prompt).first(1), many);
  return {prefill.timings.prefill_rate(prefill.usage), decode.timings.decode_rate(decode.usage)};
}

// Tokens of all streams per second, from the first request to the last token.
double measure_streams(const llm::Model& model, std::int64_t streams, std::int64_t tokens) {
  llm::Engine engine(model, {.max_running = streams, .step_tokens = streams + 256});
  const auto start = std::chrono::steady_clock::now();
  std::vector<llm::Generation> generations;
  for (std::int64_t i = 0; i < streams; ++i) {
    const auto token = static_cast<TokenId>(i % model.info().vocab_size);
    generations.push_back(engine.submit(
        {.prompt = std::vector<TokenId>{token},
         .options = {.max_tokens = tokens, .temperature = 0.f, .ignore_stop_tokens = true}}));
  }
  for (const llm::Generation& generation : generations) generation.wait();
  return static_cast<double>(streams * tokens) / seconds_since(start);
}

void run(const BenchArguments& arguments) {
  configure_runtime(arguments.threads);
  const auto start = std::chrono::steady_clock::now();
  const auto model = llm::Model::load(
      arguments.model, {.accuracy = arguments.exact ? Accuracy::exact : Accuracy::fast,
                        .context_length = arguments.prompt_tokens + arguments.decode_tokens + 1,
                        .progress = progress_bar("loading")});
  const double load_seconds = seconds_since(start);
  const TokenId first_token = 1 % static_cast<TokenId>(model.info().vocab_size);
  model.generate(std::span(&first_token, 1), {.max_tokens = 1, .temperature = 0.f});
  const double first_token_seconds = seconds_since(start);
  const std::int64_t resident = resident_bytes();
  std::vector<double> prompt_rates;
  std::vector<double> decode_rates;
  std::vector<double> stream_rates;
  for (int round = 0; round < arguments.rounds; ++round) {
    const Rates rates = measure(model, arguments);
    prompt_rates.push_back(rates.prompt);
    decode_rates.push_back(rates.decode);
    if (arguments.streams > 1)
      stream_rates.push_back(measure_streams(model, arguments.streams, arguments.decode_tokens));
  }
  const RuntimeInfo runtime = runtime_info();
  if (arguments.json) {
    nlohmann::json json{{"model", arguments.model},
                        {"prompt_tokens", arguments.prompt_tokens},
                        {"prompt_tokens_per_second", median(prompt_rates)},
                        {"decode_tokens", arguments.decode_tokens},
                        {"decode_tokens_per_second", median(decode_rates)},
                        {"rounds", arguments.rounds},
                        {"load_seconds", load_seconds},
                        {"first_token_seconds", first_token_seconds},
                        {"resident_bytes_after_load", resident},
                        {"weight_bytes", model.info().weight_bytes},
                        {"threads", runtime.threads},
                        {"isa", runtime.isa},
                        {"onednn_version", runtime.onednn_version}};
    if (!stream_rates.empty()) {
      json["streams"] = arguments.streams;
      json["streams_tokens_per_second"] = median(stream_rates);
    }
    std::cout << json.dump(2) << "\n";
    return;
  }
  std::printf(
      "prompt %lld tokens: %.1f tokens/s; decode %lld tokens: %.1f tokens/s (medians of %d)\n",
      static_cast<long long>(arguments.prompt_tokens), median(prompt_rates),
      static_cast<long long>(arguments.decode_tokens), median(decode_rates), arguments.rounds);
  if (!stream_rates.empty()) {
    std::printf("%lld streams at once: %.1f tokens/s, %.2f times one\n",
                static_cast<long long>(arguments.streams), median(stream_rates),
                median(stream_rates) / median(decode_rates));
  }
  std::printf(
      "load %.3f s, first token after %.3f s, resident %s of %s weights; %d threads, %s, oneDNN "
      "%s\n",
      load_seconds, first_token_seconds, human_bytes(static_cast<double>(resident)).c_str(),
      human_bytes(static_cast<double>(model.info().weight_bytes)).c_str(), runtime.threads,
      runtime.isa.c_str(), runtime.onednn_version.c_str());
}

}  // namespace

void add_bench(CLI::App& app) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure prompt and decode speed, loading time and memory");
  command->add_option("-m,--model", arguments->model, "A .gguf file or a Hugging Face folder")
      ->required();
  command->add_option("-p,--prompt-tokens", arguments->prompt_tokens, "Tokens of the prompt")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("-n,--decode-tokens", arguments->decode_tokens, "Tokens to decode")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--streams", arguments->streams, "Also decode so many streams at once")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--rounds", arguments->rounds, "Rounds, of which medians are printed")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  command->add_flag("--exact", arguments->exact, "Compute with f32 activations");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace quern::cli
