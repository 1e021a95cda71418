#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "quern/llm.h"

namespace quern::cli {
namespace {

struct GenerateArguments {
  std::string model;
  std::string prompt;
  llm::GenerateOptions options;
  std::int64_t context = 0;
  int threads = 0;
  bool exact = false;
  bool json = false;
};

std::int64_t default_context(const GenerateArguments& arguments) {
  // A token is a byte or more, so this is enough for the prompt and the answer.
  const auto needed =
      static_cast<std::int64_t>(arguments.prompt.size()) + arguments.options.max_tokens + 8;
  return std::max(llm::inspect(arguments.model).context_length, needed);
}

void print_json(const llm::Reply& reply) {
  const nlohmann::json json{
      {"text", reply.text},
      {"tokens", reply.tokens},
      {"finish_reason", llm::to_string(reply.finish_reason)},
      {"usage",
       {{"prompt_tokens", reply.usage.prompt_tokens},
        {"completion_tokens", reply.usage.completion_tokens},
        {"total_tokens", reply.usage.prompt_tokens + reply.usage.completion_tokens}}},
      {"timings",
       {{"prefill_seconds", reply.timings.prefill_seconds},
        {"decode_seconds", reply.timings.decode_seconds},
        {"prompt_tokens_per_second", reply.timings.prefill_rate(reply.usage)},
        {"decode_tokens_per_second", reply.timings.decode_rate(reply.usage)}}}};
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void print_rates(const llm::Reply& reply) {
  std::fprintf(stderr, "prompt: %lld tokens, %.1f tokens/s; decode: %lld tokens, %.1f tokens/s\n",
               static_cast<long long>(reply.usage.prompt_tokens),
               reply.timings.prefill_rate(reply.usage),
               static_cast<long long>(reply.usage.completion_tokens),
               reply.timings.decode_rate(reply.usage));
}

void run(const GenerateArguments& arguments) {
  configure_runtime(arguments.threads);
  const auto model = llm::Model::load(
      arguments.model,
      {.accuracy = arguments.exact ? Accuracy::exact : Accuracy::fast,
       .context_length = arguments.context > 0 ? arguments.context : default_context(arguments),
       .progress = progress_bar("loading")});
  const auto stream = [&](std::string_view piece) {
    if (!arguments.json) std::cout << piece << std::flush;
    return std::cout ? Flow::keep_going : Flow::stop;
  };
  model.tokenizer();  // a model without one fails before anything is printed
  if (!arguments.json) std::cout << arguments.prompt << std::flush;
  const llm::Reply reply = model.generate(arguments.prompt, arguments.options, stream);
  if (arguments.json) return print_json(reply);
  std::cout << std::endl;
  print_rates(reply);
}

}  // namespace

void add_generate(CLI::App& app) {
  auto arguments = std::make_shared<GenerateArguments>();
  llm::GenerateOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand("generate", "Continue a text, streaming it to stdout");
  command->add_option("-m,--model", arguments->model, "A .gguf file or a Hugging Face folder")
      ->required();
  command->add_option("-p,--prompt", arguments->prompt,
                      "The text to continue; default: none, the model begins");
  command->add_option("-n,--max-tokens", options.max_tokens, "Tokens to generate at most")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--temp", options.temperature,
                   "Temperature; 0 takes the likeliest token each time")
      ->capture_default_str();
  command->add_option("--top-k", options.top_k, "Choose among the k likeliest tokens; 0: all")
      ->capture_default_str();
  command
      ->add_option("--top-p", options.top_p,
                   "Choose among the likeliest with this probability together")
      ->capture_default_str();
  command
      ->add_option("--min-p", options.min_p,
                   "Drop tokens less likely than this share of the likeliest")
      ->capture_default_str();
  command
      ->add_option("--repetition-penalty", options.repetition_penalty,
                   "Divides the logits of tokens seen; 1: none")
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Equal seeds give equal texts")
      ->capture_default_str();
  command
      ->add_option("--stop", options.stop, "Text that ends the answer; may be given more than once")
      ->allow_extra_args(false);
  command->add_flag("--ignore-eos", options.ignore_stop_tokens, "Go on after an end-of-text token");
  command
      ->add_option("--context", arguments->context,
                   "Tokens of the context; default: the model's, or more if -n asks")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--threads", arguments->threads, "Threads; 0: one for each CPU")
      ->capture_default_str();
  command->add_flag("--exact", arguments->exact,
                    "Compute with f32 activations: slower, closest to the reference");
  command->add_flag("--json", arguments->json,
                    "Print text, tokens, usage and timings as JSON instead");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace quern::cli
