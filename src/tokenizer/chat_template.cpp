#include <algorithm>

#include "core/error.h"
#include "tokenizer/chat_format.h"

namespace quern {
namespace {

using Format = ChatTemplate::Format;
using SystemPlace = Format::SystemPlace;
using Trim = Format::Trim;

constexpr std::string_view kSpaces = " \t\n\r\f\v";

using Pieces = std::vector<TextPiece>;

void append(Pieces& pieces, std::string_view text, bool parse_special) {
  if (text.empty()) return;
  if (pieces.empty() || pieces.back().parse_special != parse_special)
    pieces.push_back({{}, parse_special});
  pieces.back().text += text;
}

void append(Pieces& pieces, const Pieces& more) {
  for (const TextPiece& piece : more) append(pieces, piece.text, piece.parse_special);
}

/// Without white space at both ends of the whole.
Pieces trimmed(Pieces pieces) {
  while (!pieces.empty()) {
    std::string& first = pieces.front().text;
    first.erase(0, std::min(first.find_first_not_of(kSpaces), first.size()));
    if (!first.empty()) break;
    pieces.erase(pieces.begin());
  }
  while (!pieces.empty()) {
    std::string& last = pieces.back().text;
    last.erase(last.find_last_not_of(kSpaces) + 1);
    if (!last.empty()) break;
    pieces.pop_back();
  }
  return pieces;
}

void append_turn(Pieces& prompt, const Format::Turn& turn, const Pieces& content) {
  append(prompt, turn.open, true);
  append(prompt, turn.trim == Trim::turn ? trimmed(content) : content);
  append(prompt, turn.close, true);
}

const Format::Turn& turn_of(const Format& format, std::string_view role) {
  if (role == "user") return format.user;
  return role == "system" ? format.system : format.assistant;
}

Pieces content_of(const ChatMessage& message, const Format& format) {
  const Pieces content{{message.content, false}};
  return turn_of(format, message.role).trim == Trim::message ? trimmed(content) : content;
}

struct Message {
  std::string_view role;
  Pieces content;
};

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

/// The messages; where the system has no turn of its own, its words are moved into the user's
/// message that they open.
std::vector<Message> place_system(std::span<const ChatMessage> messages, const Format& format) {
  const bool moves = format.system_place != SystemPlace::own_turn;
  const std::size_t host = moves ? host_of_system(messages, format.system_place) : messages.size();
  Pieces opening;
  for (const ChatMessage& message : messages) {
    if (!moves || message.role != "system") continue;
    require(host < messages.size(),
            "chat: {} puts the system's words into the user's message, but there is none",
            format.name);
    append_turn(opening, format.system, content_of(message, format));
  }
  std::vector<Message> result;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (moves && messages[i].role == "system") continue;
    Message& placed = result.emplace_back(Message{messages[i].role, {}});
    if (i == host) placed.content = opening;
    append(placed.content, content_of(messages[i], format));
  }
  return result;
}

}  // namespace

ChatTemplate::ChatTemplate() : ChatTemplate(recognise("")) {}

ChatTemplate::ChatTemplate(std::shared_ptr<const Format> format) : format_(std::move(format)) {}

ChatTemplate ChatTemplate::recognise(std::string_view source) {
  return ChatTemplate(std::make_shared<Format>(tokenizer::recognise_chat_format(source)));
}

std::vector<TextPiece> ChatTemplate::render_pieces(std::span<const ChatMessage> given) const {
  if (format_->refuses) {
    fail(ErrorCode::unsupported,
         "chat: the model's own template is of no known family, so that it is not known how a "
         "conversation is written for it; known are chatml, llama3, gemma, llama2, mistral, phi3, "
         "zephyr");
  }
  check_roles(given);
  const std::vector<Message> messages = place_system(given, *format_);
  Pieces prompt;
  const bool starts_with_system = !messages.empty() && messages[0].role == "system";
  if (format_->default_system && !starts_with_system) {
    append_turn(prompt, format_->system, {{*format_->default_system, true}});
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    const bool user = message.role == "user";
    if (user && i > 0 && messages[i - 1].role == "assistant")
      append(prompt, format_->between_rounds, true);
    append_turn(prompt, turn_of(*format_, message.role), message.content);
  }
  append(prompt, format_->answer, true);
  return prompt;
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages) const {
  std::string prompt;
  for (const TextPiece& piece : render_pieces(messages)) prompt += piece.text;
  return prompt;
}

std::string_view ChatTemplate::name() const noexcept { return format_->name; }

std::span<const std::string> ChatTemplate::stop_strings() const noexcept {
  return format_->stop_strings;
}

}  // namespace quern
