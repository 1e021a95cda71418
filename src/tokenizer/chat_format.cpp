#include "tokenizer/chat_format.h"

#include <array>

namespace quern::tokenizer {
namespace {

using Format = ChatTemplate::Format;
using SystemPlace = Format::SystemPlace;
using Trim = Format::Trim;

bool has(std::string_view source, std::string_view mark) {
  return source.find(mark) != std::string_view::npos;
}

/// Whether a line break follows some `mark`, however a Jinja string may write it.
bool has_line_break_after(std::string_view source, std::string_view mark) {
  for (const std::string_view end : {"\\n", "\n", "' + '\\n", "'+'\\n", "\" + \"\\n"}) {
    if (has(source, std::string(mark) + std::string(end))) return true;
  }
  return false;
}

/// The words that a template gives the system where a conversation has none: what stands between
/// its marks in one literal.
std::optional<std::string> literal_between(std::string_view source, std::string_view open,
                                           std::string_view close) {
  for (std::size_t at = source.find(open); at != std::string_view::npos;
       at = source.find(open, at + 1)) {
    std::string_view rest = source.substr(at + open.size());
    if (rest.starts_with("\\n")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with('\n')) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    const std::string_view text = rest.substr(0, rest.find(close));
    const bool literal =
        text.size() < rest.size() && text.find_first_of("'\"{}\\") == std::string_view::npos;
    if (literal) return std::string(text);
  }
  return std::nullopt;
}

Format plain(std::string_view) {
  return {.name = "plain",
          .system = {"system: ", "\n"},
          .user = {"user: ", "\n"},
          .assistant = {"assistant: ", "\n"},
          .answer = "assistant:",
          .stop_strings = {"\nuser:", "\nsystem:"}};
}

Format chatml(std::string_view source) {
  const bool separated = has(source, "<|im_sep|>");
  const std::string after_role = separated ? "<|im_sep|>" : "\n";
  const std::string close = separated ? "<|im_end|>" : "<|im_end|>\n";
  const auto open = [&](const char* role) { return "<|im_start|>" + (role + after_role); };
  Format format{.name = "chatml",
                .system = {open("system"), close},
                .user = {open("user"), close},
                .assistant = {open("assistant"), close},
                .answer = open("assistant")};
  format.default_system = literal_between(source, "<|im_start|>system", "<|im_end|>");
  return format;
}

Format llama3(std::string_view source) {
  const auto open = [](const std::string& role) {
    return "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
  };
  Format format{.name = "llama3",
                .system = {open("system"), "<|eot_id|>", Trim::message},
                .user = {open("user"), "<|eot_id|>", Trim::message},
                .assistant = {open("assistant"), "<|eot_id|>", Trim::message},
                .answer = open("assistant")};
  if (has(source, "Cutting Knowledge Date: December 2023")) {
    // The date is the template's own for a caller that gives none.
    format.system.open += "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
    format.default_system = "";
  }
  return format;
}

Format llama2(std::string_view) {
  return {.name = "llama2",
          .system = {"<<SYS>>\n", "\n<</SYS>>\n\n"},
          .user = {"[INST] ", " [/INST]", Trim::turn},
          .assistant = {" ", " </s>", Trim::turn},
          .answer = "",
          .system_place = SystemPlace::first_user,
          .between_rounds = "<s>"};
}

Format mistral(std::string_view source) {
  const bool own_turn = has(source, "[SYSTEM_PROMPT]");
  const bool spaced_answer = has(source, "' ' + message") || has(source, "\" \" + message");
  Format format{.name = "mistral",
                .system = {"", "\n\n"},
                .user = {has(source, "[INST] ") ? "[INST] " : "[INST]",
                         has(source, " [/INST]") ? " [/INST]" : "[/INST]"},
                .assistant = {spaced_answer ? " " : "", "</s>"},
                .answer = "",
                .system_place = has(source, "loop.last and system_message")
                                    ? SystemPlace::last_user
                                    : SystemPlace::first_user};
  if (has(source, "' [INST] ") || has(source, "\" [INST] ")) format.user.open = " [INST] ";
  if (has(source, "|trim + eos_token")) format.assistant.trim = Trim::message;
  if (own_turn) {
    format.system_place = SystemPlace::own_turn;
    format.system = {"[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"};
  }
  return format;
}

Format gemma(std::string_view) {
  return {.name = "gemma",
          .system = {"", "\n\n"},
          .user = {"<start_of_turn>user\n", "<end_of_turn>\n", Trim::message},
          .assistant = {"<start_of_turn>model\n", "<end_of_turn>\n", Trim::message},
          .answer = "<start_of_turn>model\n",
          .system_place = SystemPlace::first_user};
}

/// Turns that open with "<|user|>" and so on.
Format bar_roles(std::string_view name, const std::string& line, const std::string& close) {
  return {.name = name,
          .system = {"<|system|>" + line, close},
          .user = {"<|user|>" + line, close},
          .assistant = {"<|assistant|>" + line, close},
          .answer = "<|assistant|>" + line};
}

Format phi3(std::string_view source) {
  const std::string line = has_line_break_after(source, "<|end|>") ? "\n" : "";
  return bar_roles("phi3", line, "<|end|>" + line);
}

Format zephyr(std::string_view source) {
  return bar_roles("zephyr", "\n", has(source, "<|endoftext|>") ? "<|endoftext|>\n" : "</s>\n");
}

struct Family {
  std::array<std::string_view, 2> marks;  // all in the template's source
  Format (*describe)(std::string_view source);
};

// The first family whose marks a template has is taken.
constexpr Family kFamilies[] = {
    {{"<|im_start|>", "<|im_end|>"}, chatml},
    {{"<|start_header_id|>", "<|eot_id|>"}, llama3},
    {{"<start_of_turn>", "<end_of_turn>"}, gemma},
    {{"[INST]", "<<SYS>>"}, llama2},
    {{"[INST]", "[/INST]"}, mistral},
    {{"<|assistant|>", "<|end|>"}, phi3},
    {{"<|user|>", "<|assistant|>"}, zephyr},
};

}  // namespace

Format recognise_chat_format(std::string_view source) {
  for (const Family& family : kFamilies) {
    if (has(source, family.marks[0]) && has(source, family.marks[1])) {
      return family.describe(source);
    }
  }
  if (source.empty()) return plain(source);
  return {.name = "unknown", .system = {}, .user = {}, .assistant = {}, .refuses = true};
}

}  // namespace quern::tokenizer
