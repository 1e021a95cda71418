#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quern/tokenizer.h"

namespace quern {

/// How a family of models writes a conversation.
struct ChatTemplate::Format {
  /// Where white space at both ends of a content is lost: in the message itself, or after the
  /// system's words were put in front of it.
  enum class Trim { none, message, turn };
  struct Turn {
    std::string open, close;
    Trim trim = Trim::none;
  };
  /// Where the system's words stand.
  enum class SystemPlace { own_turn, first_user, last_user };

  std::string_view name;
  Turn system, user, assistant;  ///< `system` is within the user's turn where it has none
  std::string answer = {};       ///< where the assistant's answer begins
  SystemPlace system_place = SystemPlace::own_turn;
  std::optional<std::string> default_system = {};  ///< where a conversation starts without one
  std::string between_rounds = {};                 ///< before the user's turn, after an answer
  std::vector<std::string> stop_strings = {};
  bool refuses = false;  ///< nothing can be rendered
};

namespace tokenizer {

/// The plain form of an empty `source`; a refusing one where it shows no family's marks.
ChatTemplate::Format recognise_chat_format(std::string_view source);

}  // namespace tokenizer
}  // namespace quern
