#include <fmt/format.h>

#include "quern/error.h"
#include "serve/completion.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr std::size_t kMaxMessages = 4096;

std::string read_parts(JsonView parts, const std::string& path) {
  std::string text;
  std::size_t i = 0;
  for (const auto& [unnamed, json] : parts) {
    Members part(json, fmt::format("{}[{}].", path, i++));
    part.need("type");
    if (*part.string("type") != "text") {
      throw bad_member(part.path_of("type"), part.path_of("type") + ": only \"text\" is supported");
    }
    part.need("text");
    text += *part.string("text");
    part.no_others();
  }
  return text;
}

ChatMessage read_message(JsonView json, std::size_t index) {
  Members members(json, fmt::format("messages[{}].", index));
  members.need("role");
  ChatMessage message{*members.string("role"), {}};
  if (message.role == "developer") message.role = "system";
  if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    throw bad_member(members.path_of("role"),
                     fmt::format("{}: \"{}\" is not one of system, developer, user, assistant",
                                 members.path_of("role"), message.role));
  }
  const JsonView* content =
      message.role == "assistant" ? members.find("content") : &members.need("content");
  if (content != nullptr && content->is_array()) {
    message.content = read_parts(*content, members.path_of("content"));
  } else if (content != nullptr) {
    if (!content->is_string()) members.wrong_type("content", "a string or an array of parts");
    message.content = content->string();
  }
  members.only("tool_calls", {Json::array()});
  for (const char* name : {"function_call", "audio"}) members.only(name, {});
  members.only("annotations", {Json::array()});
  members.ignore("refusal");
  members.ignore("name");
  members.no_others();
  return message;
}

std::vector<ChatMessage> read_messages(Members& members) {
  const JsonView& json = members.need("messages");
  if (!json.is_array()) members.wrong_type("messages", "an array of messages");
  std::vector<ChatMessage> messages;
  for (const auto& [unnamed, message] : json) {
    messages.push_back(read_message(message, messages.size()));
    if (messages.size() > kMaxMessages) break;
  }
  if (messages.empty() || messages.size() > kMaxMessages) {
    throw bad_member("messages", fmt::format("messages: 1 to {} are taken", kMaxMessages));
  }
  return messages;
}

std::vector<TokenId> encode(const llm::Model& model, const std::vector<ChatMessage>& messages) {
  try {
    return model.chat_template().encode(model.tokenizer(), messages);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw bad_member("messages", error.what());
  }
}

void read_logprobs(Members& members, llm::GenerateOptions& options) {
  const bool wanted = members.boolean("logprobs").value_or(false);
  const auto top = members.integer("top_logprobs", 0, 20);
  if (top.value_or(0) > 0 && !wanted)
    throw bad_member("top_logprobs", "top_logprobs: only where logprobs is true");
  if (wanted) options.logprobs = static_cast<int>(top.value_or(0));
}

/// No tool is ever called, so those may be there that are not to be.
void read_tools(Members& members, std::string_view tools, std::string_view choice) {
  const JsonView* chosen = members.find(choice);
  const bool none = chosen != nullptr && chosen->text() == "\"none\"";
  if (none && members.find(tools) != nullptr) {
    if (!members.find(tools)->is_array()) members.wrong_type(tools, "an array");
    return;
  }
  members.only(tools, {Json::array()});
  members.only(choice, {"none", "auto"});
}

void refuse_what_is_missing(Members& members) {
  read_tools(members, "tools", "tool_choice");
  read_tools(members, "functions", "function_call");
  for (const char* name :
       {"audio", "reasoning_effort", "prediction", "web_search_options", "verbosity"}) {
    members.only(name, {});
  }
  members.only("modalities", {Json::array({"text"})});
  members.only("response_format", {Json{{"type", "text"}}});
  members.ignore("parallel_tool_calls");
}

class ChatFormat : public CompletionFormat {
 public:
  explicit ChatFormat(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::string_view id_prefix() const override { return "chatcmpl-"; }
  std::string_view object() const override { return "chat.completion"; }
  std::string_view chunk_object() const override { return "chat.completion.chunk"; }

  Json opening(std::size_t choice) override {
    return {{"index", choice},
            {"delta", {{"role", "assistant"}, {"content", ""}}},
            {"finish_reason", nullptr}};
  }

  Json grown(std::size_t choice, std::string_view text,
             std::span<const llm::ChosenLogprob> logprobs) override {
    Json json{{"index", choice}, {"delta", {{"content", text}}}, {"finish_reason", nullptr}};
    if (!logprobs.empty()) json["logprobs"] = describe(logprobs);
    return json;
  }

  Json closing(std::size_t choice, std::string_view reason) override {
    return {{"index", choice}, {"delta", Json::object()}, {"finish_reason", reason}};
  }

  Json whole(std::size_t choice, const llm::Reply& reply, std::string_view reason) override {
    return {{"index", choice},
            {"message", {{"role", "assistant"}, {"content", reply.text}, {"refusal", nullptr}}},
            {"logprobs", reply.logprobs.empty() ? Json() : describe(reply.logprobs)},
            {"finish_reason", reason}};
  }

 private:
  Json describe(const llm::TokenLogprob& token) const {
    const std::string text = token_text(tokenizer_, token.token);
    return {{"token", text}, {"logprob", token.logprob}, {"bytes", bytes_of(text)}};
  }

  Json describe(std::span<const llm::ChosenLogprob> logprobs) const {
    Json content = Json::array();
    for (const llm::ChosenLogprob& chosen : logprobs) {
      Json entry = describe(static_cast<const llm::TokenLogprob&>(chosen));
      entry["top_logprobs"] = Json::array();
      for (const llm::TokenLogprob& token : chosen.top) {
        entry["top_logprobs"].push_back(describe(token));
      }
      content.push_back(std::move(entry));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }

  const Tokenizer& tokenizer_;
};

Completion read_chat(Exchange& exchange) {
  Members members(parse_body(exchange.request.body.text()));
  Completion completion{.model = find_model(exchange, members)};
  const llm::Model& model = completion.model->model();
  const std::vector<ChatMessage> messages = read_messages(members);
  std::size_t bytes = 0;
  for (const ChatMessage& message : messages) bytes += message.content.size();
  allow_prompt(exchange, *completion.model, bytes);
  completion.prompts = {encode(model, messages)};
  read_options(exchange, members, completion);
  read_logprobs(members, completion.options);
  refuse_what_is_missing(members);
  members.no_others();
  const auto stops = model.chat_template().stop_strings();
  completion.options.stop.insert(completion.options.stop.end(), stops.begin(), stops.end());
  return completion;
}

}  // namespace

void chat_completions(Exchange& exchange) {
  Completion completion = read_chat(exchange);
  exchange.request.body.clear();
  ChatFormat format(completion.model->model().tokenizer());
  complete(exchange, std::move(completion), format);
}

}  // namespace quern::serve
