#include "quern/chat_template.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "jinja/template.h"
#include "tokenizer/json_value.h"
#include "tokenizer/template_sources.h"

namespace quern {
namespace {

using jinja::Text;
using jinja::Value;

constexpr std::string_view kPlainForm =
    "{% for message in messages %}"
    "{% if message.role not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('expected the role system, user or assistant, got ' ~ message.role) }}"
    "{% endif %}{{ message.role ~ ': ' ~ message.content ~ '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/// Roles of which templates make special tokens; others are data as a content is.
constexpr std::string_view kRoles[] = {"system",    "user",     "assistant", "tool",
                                       "developer", "function", "ipython",   "model"};

Value role_value(const std::string& role) {
  const bool known = std::ranges::find(kRoles, role) != std::end(kRoles);
  return Value::of(known ? Text(role) : Text::data(role));
}

Value message_value(const ChatMessage& message) {
  jinja::Dict dict;
  dict.set(Value::of(std::string("role")), role_value(message.role));
  dict.set(Value::of(std::string("content")), Value::of(Text::data(message.content)));
  if (!message.more.empty()) {
    for (auto& [key, value] :
         tokenizer::members_of(message.more, "chat: more of a message").members)
      if (key.text()->bytes() != "role") dict.set(key, value);
  }
  return jinja::make_dict(std::move(dict));
}

/// Runs of bytes that are the template's own, and of those that are data.
std::vector<TextPiece> pieces_of(const Text& text) {
  std::vector<TextPiece> pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin + 1;
    while (end < text.size() && text.is_data(end) == text.is_data(begin)) ++end;
    pieces.push_back({text.bytes().substr(begin, end - begin), !text.is_data(begin)});
    begin = end;
  }
  return pieces;
}

/// Names that transformers gives a template whether there is something or not.
void set_absent(jinja::Dict& data) {
  for (const char* name : {"tools", "documents"}) {
    if (!data.find(name)) data.set(Value::of(std::string(name)), Value::none());
  }
}

}  // namespace

struct ChatTemplate::Impl {
  std::optional<jinja::Template> usual, with_tools;
  std::optional<Error> fault;  ///< why there is none
  jinja::Dict names;           ///< what templates see of the tokenizer
  std::vector<std::string> stop_strings;
  bool own = true;

  Text render(std::span<const ChatMessage> messages, const ChatTemplateOptions& options) const {
    if (fault) throw *fault;
    jinja::Dict data = names;
    const auto set = [&](const char* name, Value value) {
      data.set(Value::of(std::string(name)), std::move(value));
    };
    jinja::Values list;
    for (const ChatMessage& message : messages) list.push_back(message_value(message));
    set("messages", jinja::make_list(std::move(list)));
    set("add_generation_prompt", Value::of(options.add_generation_prompt));
    if (!options.tools.empty()) set("tools", tokenizer::parse_value(options.tools, "chat: tools"));
    if (!options.variables.empty()) {
      for (auto& [key, value] : tokenizer::members_of(options.variables, "chat: variables").members)
        data.set(key, value);
    }
    set_absent(data);
    const bool for_tools = with_tools && !options.tools.empty();
    return (for_tools ? *with_tools : *usual).render(data);
  }
};

ChatTemplate::ChatTemplate() {
  static const auto plain = [] {
    auto impl = std::make_shared<Impl>();
    impl->usual = jinja::Template::parse(kPlainForm);
    impl->stop_strings = {"\nuser:", "\nsystem:"};
    impl->own = false;
    return std::shared_ptr<const Impl>(std::move(impl));
  }();
  impl_ = plain;
}

ChatTemplate::ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

ChatTemplate ChatTemplate::parse(std::string_view source) {
  auto impl = std::make_shared<Impl>();
  impl->usual = jinja::Template::parse(source);
  return ChatTemplate(std::move(impl));
}

ChatTemplate ChatTemplate::load(const std::string& path) {
  const tokenizer::TemplateSources sources = tokenizer::templates_at(path);
  const auto found = sources.find("default");
  if (found == sources.end()) fail(ErrorCode::not_found, "{}: no chat template in it", path);
  return parse(found->second);
}

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer) {
  const std::string_view source = tokenizer.chat_template();
  if (source.empty()) return {};
  auto impl = std::make_shared<Impl>();
  try {
    impl->usual = jinja::Template::parse(source);
    const std::string_view tool_use = tokenizer.chat_template("tool_use");
    if (!tool_use.empty()) impl->with_tools = jinja::Template::parse(tool_use);
  } catch (const Error& error) {
    impl->fault = error;
  }
  const auto name = [&](const char* key, std::optional<TokenId> id) {
    if (!id) return;
    impl->names.set(Value::of(std::string(key)), Value::of(tokenizer.decode({&*id, 1}, true)));
  };
  name("bos_token", tokenizer.bos());
  name("eos_token", tokenizer.eos());
  return ChatTemplate(std::move(impl));
}

std::vector<TextPiece> ChatTemplate::render_pieces(std::span<const ChatMessage> messages,
                                                   const ChatTemplateOptions& options) const {
  return pieces_of(impl_->render(messages, options));
}

std::string ChatTemplate::render(std::span<const ChatMessage> messages,
                                 const ChatTemplateOptions& options) const {
  return impl_->render(messages, options).bytes();
}

std::vector<TokenId> ChatTemplate::encode(const Tokenizer& tokenizer,
                                          std::span<const ChatMessage> messages,
                                          const ChatTemplateOptions& options) const {
  return tokenizer.encode(render_pieces(messages, options), !impl_->own);
}

std::string ChatTemplate::render_context(std::string_view context, std::int64_t now) const {
  if (impl_->fault) throw *impl_->fault;
  jinja::RenderOptions options;
  options.now = static_cast<std::time_t>(now);
  jinja::Dict data = tokenizer::members_of(context, "chat: the context");
  set_absent(data);
  return impl_->usual->render(data, options).bytes();
}

bool ChatTemplate::is_own() const noexcept { return impl_->own; }

std::span<const std::string> ChatTemplate::stop_strings() const noexcept {
  return impl_->stop_strings;
}

}  // namespace quern
