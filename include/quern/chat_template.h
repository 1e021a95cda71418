#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/tokenizer.h"

namespace quern {

/// One message of a conversation.
struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant", "tool"; templates may know others
  std::string content;
  /// What else it has, as a JSON object whose members templates see: {"reasoning_content": "..."},
  /// {"tool_calls": [...]}, {"content": [...]} for a content in parts. Empty: nothing.
  std::string more = {};
};

/// What a template is told besides the messages.
struct ChatTemplateOptions {
  bool add_generation_prompt = true;  ///< end where the assistant's answer begins
  /// The tools that the model may call: a JSON array of OpenAI's form. Empty: none.
  std::string tools = {};
  /// More names for the template, as a JSON object: {"enable_thinking": false}. Empty: none.
  std::string variables = {};
};

/// How a model was trained to read a conversation: its own Jinja template, interpreted as
/// transformers does, byte for byte. A model without one gets a plain "role: content" form.
/// Whatever a template does, it is bounded in steps, in nesting and in the memory that it takes.
/// Immutable and safe to share between threads.
class QUERN_API ChatTemplate {
 public:
  /// The plain form.
  ChatTemplate();
  /// The Jinja text `source`. Throws: `corrupt_file` with the line and what was expected;
  /// `unsupported` for what is valid Jinja and not for chat templates.
  static ChatTemplate parse(std::string_view source);
  /// The template of a file: Jinja, or a tokenizer_config.json or chat_template.json that has it,
  /// or a GGUF file; or of a folder with these. Throws: as `parse`; `not_found`, also where there
  /// is none.
  static ChatTemplate load(const std::string& path);
  /// The template that came with a tokenizer, for its BOS and EOS. One that does not parse is
  /// refused when it is used: a model may be without conversations and good for all else.
  static ChatTemplate of(const Tokenizer& tokenizer);

  /// The whole conversation. Only the template's own words parse special tokens: what the messages
  /// and tools say never does, however it is moved and changed on its way. Throws:
  /// `invalid_argument` for what the template refuses, and for `more`, `tools` and `variables` that
  /// are not JSON; `unsupported` past a bound; what `parse` would, where the template has faults.
  std::vector<TextPiece> render_pieces(std::span<const ChatMessage> messages,
                                       const ChatTemplateOptions& options = {}) const;
  /// The same as one text, for a person to read.
  std::string render(std::span<const ChatMessage> messages,
                     const ChatTemplateOptions& options = {}) const;
  /// The same as tokens. A template writes its BOS itself; the plain form gets what the tokenizer
  /// puts around a text. Throws: also what Tokenizer::encode does.
  std::vector<TokenId> encode(const Tokenizer& tokenizer, std::span<const ChatMessage> messages,
                              const ChatTemplateOptions& options = {}) const;
  /// What the template makes of any data: `context` is a JSON object with all names that it sees;
  /// "tools" and "documents" are null where it has none.
  /// `now` is the time that it is told, in seconds since 1970; 0: the time it is. Throws: as
  /// `render`.
  std::string render_context(std::string_view context, std::int64_t now = 0) const;

  /// Whether it is a template of the model's, and not the plain form.
  bool is_own() const noexcept;
  /// Strings that end an answer besides the stop tokens; those of the plain form, say.
  std::span<const std::string> stop_strings() const noexcept;

 private:
  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace quern
