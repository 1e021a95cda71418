#include <fmt/format.h>

#include <algorithm>

#include "serve/completion.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr std::size_t kMaxPrompts = 64;

std::vector<TokenId> read_tokens(Members& members, JsonView json, std::int64_t vocab_size) {
  std::vector<TokenId> tokens;
  tokens.reserve(json.size());
  for (const auto& [unnamed, number] : json) {
    if (!number.is_integer()) members.wrong_type("prompt", "texts, or tokens");
    const auto token = number.integer<TokenId>();
    if (!token || *token < 0 || *token >= vocab_size) {
      throw bad_member("prompt", fmt::format("prompt: token {} is not within [0, {})",
                                             number.text().substr(0, 20), vocab_size));
    }
    tokens.push_back(*token);
  }
  return tokens;
}

/// One text, several, one prompt as tokens, or several as tokens.
std::vector<std::vector<TokenId>> read_prompts(Exchange& exchange, Members& members,
                                               const LanguageModel& model) {
  const Tokenizer& tokenizer = model.model().tokenizer();
  const JsonView& json = members.need("prompt");
  std::vector<std::vector<TokenId>> prompts;
  const auto read = [&](JsonView prompt) {
    if (prompts.size() == kMaxPrompts) {
      throw bad_member("prompt", fmt::format("prompt: at most {} at once", kMaxPrompts));
    }
    if (prompt.is_string()) {
      const std::string text = prompt.string();
      allow_prompt(exchange, model, text.size());
      prompts.push_back(tokenizer.encode(text));
    } else if (prompt.is_array()) {
      prompts.push_back(read_tokens(members, prompt, tokenizer.vocab_size()));
    } else {
      members.wrong_type("prompt", "texts, or tokens");
    }
    if (prompts.back().empty()) throw bad_member("prompt", "prompt: there are no tokens in it");
  };
  const bool one =
      !json.is_array() || json.begin() == json.end() || json.begin()->value.is_number();
  if (one) {
    read(json);
  } else {
    for (const auto& [unnamed, prompt] : json) read(prompt);
  }
  return prompts;
}

/// How many characters a text in UTF-8 has.
std::int64_t characters(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

class TextFormat : public CompletionFormat {
 public:
  explicit TextFormat(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::string_view id_prefix() const override { return "cmpl-"; }
  std::string_view object() const override { return "text_completion"; }
  std::string_view chunk_object() const override { return "text_completion"; }

  Json opening(std::size_t) override { return nullptr; }

  Json grown(std::size_t choice, std::string_view text,
             std::span<const llm::ChosenLogprob> logprobs) override {
    return {{"index", choice},
            {"text", text},
            {"logprobs", describe(choice, logprobs)},
            {"finish_reason", nullptr}};
  }

  Json closing(std::size_t choice, std::string_view reason) override {
    return {{"index", choice}, {"text", ""}, {"logprobs", nullptr}, {"finish_reason", reason}};
  }

  Json whole(std::size_t choice, const llm::Reply& reply, std::string_view reason) override {
    return {{"index", choice},
            {"text", reply.text},
            {"logprobs", describe(choice, reply.logprobs)},
            {"finish_reason", reason}};
  }

 private:
  Json describe(std::size_t choice, std::span<const llm::ChosenLogprob> logprobs) {
    if (logprobs.empty()) return nullptr;
    Json tokens = Json::array();
    Json bytes = Json::array();
    Json values = Json::array();
    Json offsets = Json::array();
    Json tops = Json::array();
    offsets_.resize(std::max(offsets_.size(), choice + 1));
    for (const llm::ChosenLogprob& chosen : logprobs) {
      const std::string text = token_text(tokenizer_, chosen.token);
      tokens.push_back(label(text));
      bytes.push_back(bytes_of(text));
      values.push_back(chosen.logprob);
      offsets.push_back(offsets_[choice]);
      tops.push_back(describe_top(chosen));
      offsets_[choice] += characters(tokenizer_.piece(chosen.token));
    }
    return {{"tokens", std::move(tokens)},
            {"bytes", std::move(bytes)},
            {"token_logprobs", std::move(values)},
            {"text_offset", std::move(offsets)},
            {"top_logprobs", std::move(tops)}};
  }

  /// The likeliest tokens and the chosen one, by their texts; of those with one text, the first
  /// has it and the others are named by their ids.
  Json describe_top(const llm::ChosenLogprob& chosen) const {
    Json top = Json::object();
    const auto add = [&](const llm::TokenLogprob& token) {
      const std::string name = label(token_text(tokenizer_, token.token));
      if (top.emplace(name, token.logprob).second) return;
      top.emplace(fmt::format("token_id:{}", token.token), token.logprob);
    };
    for (const llm::TokenLogprob& token : chosen.top) add(token);
    const bool there = std::ranges::count(chosen.top, chosen.token, &llm::TokenLogprob::token) > 0;
    if (!chosen.top.empty() && !there) add(chosen);
    return top;
  }

  /// A token's text as a name: where it is no text by itself, its bytes, as OpenAI writes them:
  /// "bytes:\xe2\x80".
  static std::string label(const std::string& text) {
    if (is_utf8(text)) return text;
    std::string name = "bytes:";
    for (const char c : text) name += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return name;
  }

  const Tokenizer& tokenizer_;
  std::vector<std::int64_t> offsets_;  ///< by choice, in characters
};

Completion read_completion(Exchange& exchange) {
  Members members(parse_body(exchange.request.body.text()));
  Completion completion{.model = find_model(exchange, members)};
  completion.prompts = read_prompts(exchange, members, *completion.model);
  read_options(exchange, members, completion);
  if (const auto logprobs = members.integer("logprobs", 0, 20)) {
    completion.options.logprobs = static_cast<int>(*logprobs);
  }
  members.only("echo", {false});
  members.only("suffix", {""});
  members.only("best_of", {completion.n});
  members.no_others();
  return completion;
}

}  // namespace

void completions(Exchange& exchange) {
  Completion completion = read_completion(exchange);
  exchange.request.body.clear();
  TextFormat format(completion.model->model().tokenizer());
  complete(exchange, std::move(completion), format);
}

}  // namespace quern::serve
