#include <fmt/format.h>

#include "quern/error.h"
#include "serve/completion.h"
#include "serve/routes/table.h"

namespace quern::serve {
namespace {

constexpr std::size_t kMaxMessages = 4096;

std::string read_parts(const Json& parts, const std::string& path) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Members part(parts[i], fmt::format("{}[{}].", path, i));
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

ChatMessage read_message(const Json& json, std::size_t index) {
  Members members(json, fmt::format("messages[{}].", index));
  members.need("role");
  ChatMessage message{*members.string("role"), {}};
  if (message.role == "developer") message.role = "system";
  if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    throw bad_member(members.path_of("role"),
                     fmt::format("{}: \"{}\" is not one of system, developer, user, assistant",
                                 members.path_of("role"), message.role));
  }
  const Json* content =
      message.role == "assistant" ? members.find("content") : &members.need("content");
  if (content != nullptr && content->is_array()) {
    message.content = read_parts(*content, members.path_of("content"));
  } else if (content != nullptr) {
    if (!content->is_string()) members.wrong_type("content", "a string or an array of parts");
    message.content = content->get<std::string>();
  }
  for (const char* name : {"tool_calls", "function_call", "audio"}) members.only(name, Json());
  members.only("annotations", Json::array());
  members.ignore("refusal");
  members.ignore("name");
  members.no_others();
  return message;
}

std::vector<ChatMessage> read_messages(Members& members) {
  const Json& json = members.need("messages");
  if (!json.is_array()) members.wrong_type("messages", "an array of messages");
  if (json.empty() || json.size() > kMaxMessages) {
    throw bad_member("messages", fmt::format("messages: 1 to {} are taken", kMaxMessages));
  }
  std::vector<ChatMessage> messages;
  for (const Json& message : json) messages.push_back(read_message(message, messages.size()));
  return messages;
}

std::vector<TokenId> encode(const llm::Model& model, const std::vector<ChatMessage>& messages) {
  try {
    return model.tokenizer().encode(model.chat_template().render_pieces(messages));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw bad_member("messages", error.what());
  }
}

void read_logprobs(Members& members, llm::GenerateOptions& options) {
  const bool wanted = members.boolean("logprobs").value_or(false);
  const auto top = members.integer("top_logprobs", 0, 20);
  if (top && !wanted) throw bad_member("top_logprobs", "top_logprobs: only where logprobs is true");
  if (wanted) options.logprobs = static_cast<int>(top.value_or(0));
}

void refuse_what_is_missing(Members& members) {
  for (const char* name : {"tools", "tool_choice", "functions", "function_call", "audio",
                           "reasoning_effort", "prediction", "web_search_options", "verbosity"}) {
    members.only(name, Json());
  }
  members.only("modalities", {"text"});
  members.only("response_format", {{"type", "text"}});
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
    const std::string piece = tokenizer_.piece(token.token);
    Json bytes = Json::array();
    for (const char c : piece) bytes.push_back(static_cast<unsigned char>(c));
    return {{"token", piece}, {"logprob", token.logprob}, {"bytes", std::move(bytes)}};
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

}  // namespace

void chat_completions(Exchange& exchange) {
  const Json body = parse_body(exchange.request.body);
  Members members(body);
  Completion completion{.model = find_model(exchange, members)};
  const llm::Model& model = completion.model->engine.model();
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
  ChatFormat format(model.tokenizer());
  complete(exchange, std::move(completion), format);
}

}  // namespace quern::serve
