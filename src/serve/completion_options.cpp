#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <random>

#include "serve/completion.h"

namespace quern::serve {
namespace {

constexpr std::int64_t kMaxChoices = 16;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 1024;

std::vector<std::string> read_stop(Members& members) {
  const JsonView* stop = members.find("stop");
  if (stop == nullptr) return {};
  std::vector<std::string> result;
  const auto read = [&](JsonView text) {
    if (!text.is_string()) members.wrong_type("stop", "a string or an array of strings");
    if (result.size() == kMaxStops) {
      throw bad_member("stop", fmt::format("stop: at most {} strings", kMaxStops));
    }
    result.push_back(text.string());
    if (result.back().empty() || result.back().size() > kMaxStopBytes) {
      throw bad_member("stop", fmt::format("stop: a string has 1 to {} bytes", kMaxStopBytes));
    }
  };
  if (stop->is_array()) {
    for (const auto& [unnamed, text] : *stop) read(text);
  } else {
    read(*stop);
  }
  return result;
}

/// By tokens, which JSON writes as strings.
std::vector<llm::LogitBias> read_logit_bias(Members& members, std::int64_t vocab_size) {
  constexpr double kMost = 100;
  const JsonView* biases = members.find("logit_bias");
  if (biases == nullptr) return {};
  if (!biases->is_object()) members.wrong_type("logit_bias", "an object of numbers by tokens");
  std::vector<llm::LogitBias> result;
  for (const auto& [name, value] : *biases) {
    const std::string_view digits = name.text().substr(1, name.text().size() - 2);
    TokenId token = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token);
    if (error != std::errc{} || end != digits.data() + digits.size() || token < 0 ||
        token >= vocab_size) {
      throw bad_member("logit_bias", fmt::format("logit_bias: \"{}\" is no token within [0, {})",
                                                 digits.substr(0, 20), vocab_size));
    }
    const double bias = value.is_number() ? value.number() : std::numeric_limits<double>::max();
    if (!(bias >= -kMost && bias <= kMost)) {
      throw bad_member("logit_bias", fmt::format("logit_bias: that of {} is no number within "
                                                 "[{}, {}]",
                                                 token, -kMost, kMost));
    }
    result.push_back({token, static_cast<float>(bias)});
  }
  std::ranges::sort(result, {}, &llm::LogitBias::token);
  const auto twice = std::ranges::adjacent_find(result, {}, &llm::LogitBias::token);
  if (twice != result.end()) {
    throw bad_member("logit_bias", fmt::format("logit_bias: {} occurs twice", twice->token));
  }
  return result;
}

void read_stream(Members& members, Completion& completion) {
  completion.stream = members.boolean("stream").value_or(false);
  const JsonView* options = members.find("stream_options");
  if (options == nullptr) return;
  if (!completion.stream) {
    throw bad_member("stream_options", "stream_options: only where stream is true");
  }
  Members inner(*options, "stream_options.");
  completion.include_usage = inner.boolean("include_usage").value_or(false);
  inner.only("include_obfuscation", {false});
  inner.no_others();
}

std::int64_t read_max_tokens(Exchange& exchange, Members& members, const Completion& completion) {
  std::size_t prompt = 0;
  for (const auto& tokens : completion.prompts) prompt = std::max(prompt, tokens.size());
  const std::int64_t context = completion.model->model().context_length();
  const std::int64_t room = context - static_cast<std::int64_t>(prompt);
  if (room < 1) {
    throw ApiError(
        400, fmt::format("the prompt has {} tokens, and the model's context {}", prompt, context),
        {.code = "context_length_exceeded"});
  }
  const std::int64_t most = exchange.service.config.limits.max_tokens;
  const auto older = members.integer("max_tokens", 1, most);
  const auto newer = members.integer("max_completion_tokens", 1, most);
  return std::min(room, newer ? *newer : older.value_or(most));
}

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

void ignore_bookkeeping(Members& members) {
  for (const char* name :
       {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}) {
    members.ignore(name);
  }
}

}  // namespace

std::shared_ptr<LanguageModel> find_model(Exchange& exchange, Members& members) {
  members.need("model");
  const std::string name = *members.string("model");
  if (auto model = exchange.find_model<LanguageModel>(name)) return model;
  throw ApiError(404, fmt::format("model: \"{}\" does not exist, or is not for your plan", name),
                 {.param = "model", .code = "model_not_found"});
}

void read_options(Exchange& exchange, Members& members, Completion& completion) {
  constexpr double kMost = std::numeric_limits<float>::max();
  constexpr double kLeast = std::numeric_limits<float>::min();
  const auto number = [&](std::string_view name, double low, double high, double fallback) {
    return static_cast<float>(members.number(name, low, high).value_or(fallback));
  };
  llm::GenerateOptions& options = completion.options;
  read_stream(members, completion);
  completion.n = members.integer("n", 1, kMaxChoices).value_or(1);
  options.max_tokens = read_max_tokens(exchange, members, completion);
  options.temperature = number("temperature", 0, 2, 1);
  options.top_p = std::max(number("top_p", 0, 1, 1), static_cast<float>(kLeast));
  options.top_k = static_cast<int>(members.integer("top_k", 0, 1'000'000).value_or(0));
  options.min_p = number("min_p", 0, 1, 0);
  options.frequency_penalty = number("frequency_penalty", -2, 2, 0);
  options.presence_penalty = number("presence_penalty", -2, 2, 0);
  options.repetition_penalty = number("repetition_penalty", kLeast, kMost, 1);
  options.stop = read_stop(members);
  const auto seed = members.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max());
  options.seed = seed ? static_cast<std::uint64_t>(*seed) : random_seed();
  options.ignore_stop_tokens = members.boolean("ignore_eos").value_or(false);
  options.logit_bias = read_logit_bias(members, completion.model->model().tokenizer().vocab_size());
  ignore_bookkeeping(members);
}

}  // namespace quern::serve
