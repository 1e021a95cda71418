#include "core/error.h"
#include "tokenizer/chat_format.h"

namespace quern {
namespace {

using Format = ChatTemplate::Format;
using SystemPlace = Format::SystemPlace;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\r\f\v";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) + 1 - first);
}

void append_turn(std::string& prompt, const Format::Turn& turn, std::string_view content,
                 bool trim) {
  prompt += turn.open;
  prompt += trim ? trimmed(content) : content;
  prompt += turn.close;
}

/// The place of the user's message that the system's words open, or `size()`.
std::size_t host_of_system(std::span<const ChatMessage> messages, SystemPlace place) {
  std::size_t host = messages.size();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "user") continue;
    host = i;
    if (place == SystemPlace::first_user) break;
  }
  return host;
}

void check_roles(std::span<const ChatMessage> messages) {
  for (const ChatMessage& message : messages) {
    const std::string& role = message.role;
    require(role == "system" || role == "user" || role == "assistant",
            "chat: expected the role system, user or assistant, got \"{}\"", role);
  }
}

/// The messages with the system's words moved into the user's message that they open.
std::vector<ChatMessage> with_system_inside(std::span<const ChatMessage> messages,
                                            const Format& format) {
  const std::size_t host = host_of_system(messages, format.system_place);
  std::string opening;
  for (const ChatMessage& message : messages) {
    if (message.role != "system") continue;
    require(host < messages.size(),
            "chat: {} puts the system's words into the user's message, but there is none",
            format.name);
    append_turn(opening, format.system, message.content, false);
  }
  std::vector<ChatMessage> result;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == "system") continue;
    result.push_back(messages[i]);
    if (i == host) result.back().content.insert(0, opening);
  }
  return result;
}

}  // namespace

ChatTemplate::ChatTemplate() : ChatTemplate(recognise("")) {}

ChatTemplate::ChatTemplate(std::shared_ptr<const Format> format) : format_(std::move(format)) {}

ChatTemplate ChatTemplate::recognise(std::string_view source) {
  return ChatTemplate(std::make_shared<Format>(tokenizer::recognise_chat_format(source)));
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages) const {
  check_roles(messages);
  std::vector<ChatMessage> moved;
  if (format_->system_place != SystemPlace::own_turn) {
    moved = with_system_inside(messages, *format_);
    messages = moved;
  }
  std::string prompt;
  const bool starts_with_system = !messages.empty() && messages[0].role == "system";
  if (format_->default_system && !starts_with_system) {
    append_turn(prompt, format_->system, *format_->default_system, format_->trim);
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const bool user = message.role == "user";
    if (user && i > 0 && messages[i - 1].role == "assistant") prompt += format_->between_rounds;
    const Format::Turn& turn = user                       ? format_->user
                               : message.role == "system" ? format_->system
                                                          : format_->assistant;
    append_turn(prompt, turn, message.content, format_->trim);
  }
  return prompt + format_->answer;
}

std::string_view ChatTemplate::name() const noexcept { return format_->name; }

std::span<const std::string> ChatTemplate::stop_strings() const noexcept {
  return format_->stop_strings;
}

}  // namespace quern
