#include <fmt/format.h>

#include <algorithm>

#include "serve/completion.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr std::size_t kMaxPrompts = 64;

std::vector<TokenId> read_tokens(Members& members, const Json& json, std::int64_t vocab_size) {
  std::vector<TokenId> tokens;
  for (const Json& token : json) {
    if (!token.is_number_integer()) members.wrong_type("prompt", "texts, or tokens");
    if (token < 0 || token >= vocab_size) {
      throw bad_member("prompt", fmt::format("prompt: token {} is not within [0, {})", token.dump(),
                                             vocab_size));
    }
    tokens.push_back(token.get<TokenId>());
  }
  return tokens;
}

/// One text, several, one prompt as tokens, or several as tokens.
std::vector<std::vector<TokenId>> read_prompts(Exchange& exchange, Members& members,
                                               const LanguageModel& model) {
  const Tokenizer& tokenizer = model.engine.model().tokenizer();
  const Json& json = members.need("prompt");
  const bool one = !json.is_array() || json.empty() || json.front().is_number();
  const Json several = one ? Json::array({json}) : json;
  if (several.size() > kMaxPrompts) {
    throw bad_member("prompt", fmt::format("prompt: at most {} at once", kMaxPrompts));
  }
  std::vector<std::vector<TokenId>> prompts;
  for (const Json& prompt : several) {
    if (prompt.is_string()) {
      const auto& text = prompt.get_ref<const std::string&>();
      allow_prompt(exchange, model, text.size());
      prompts.push_back(tokenizer.encode(text));
    } else if (prompt.is_array()) {
      prompts.push_back(read_tokens(members, prompt, tokenizer.vocab_size()));
    } else {
      members.wrong_type("prompt", "texts, or tokens");
    }
    if (prompts.back().empty()) throw bad_member("prompt", "prompt: there are no tokens in it");
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
    Json values = Json::array();
    Json offsets = Json::array();
    Json tops = Json::array();
    offsets_.resize(std::max(offsets_.size(), choice + 1));
    for (const llm::ChosenLogprob& chosen : logprobs) {
      const std::string piece = tokenizer_.piece(chosen.token);
      Json top = Json::object();
      for (const llm::TokenLogprob& token : chosen.top) {
        top[tokenizer_.piece(token.token)] = token.logprob;
      }
      tokens.push_back(piece);
      values.push_back(chosen.logprob);
      offsets.push_back(offsets_[choice]);
      tops.push_back(std::move(top));
      offsets_[choice] += characters(piece);
    }
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(values)},
            {"text_offset", std::move(offsets)},
            {"top_logprobs", std::move(tops)}};
  }

  const Tokenizer& tokenizer_;
  std::vector<std::int64_t> offsets_;  ///< by choice, in characters
};

}  // namespace

void completions(Exchange& exchange) {
  const Json body = parse_body(exchange.request.body);
  Members members(body);
  Completion completion{.model = find_model(exchange, members)};
  const Tokenizer& tokenizer = completion.model->engine.model().tokenizer();
  completion.prompts = read_prompts(exchange, members, *completion.model);
  read_options(exchange, members, completion);
  if (const auto logprobs = members.integer("logprobs", 0, 20)) {
    completion.options.logprobs = static_cast<int>(*logprobs);
  }
  members.only("echo", false);
  members.only("suffix", "");
  members.only("best_of", completion.n);
  members.no_others();
  TextFormat format(tokenizer);
  complete(exchange, std::move(completion), format);
}

}  // namespace quern::serve
