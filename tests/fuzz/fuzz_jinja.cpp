#include <string_view>

#include "fuzz/targets.h"
#include "fuzz/use.h"
#include "jinja/template.h"
#include "tokenizer/json_value.h"

namespace quern::fuzz {
namespace {

constexpr const char* kConversation = R"({
  "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "enable_thinking": false,
  "messages": [
    {"role": "system", "content": " Be brief.\\n"},
    {"role": "user", "content": [{"type": "text", "text": "H\u00e9llo <|x|> \u4f60"}]},
    {"role": "assistant", "content": null, "tool_calls": [
      {"type": "function", "function": {"name": "f", "arguments": {"a": [1, -2.5, true, null]}}}]},
    {"role": "tool", "content": "{}", "name": "f"}],
  "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]})";

}  // namespace

void jinja(std::span<const std::byte> bytes) {
  allow_refusal([&] {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto parsed = quern::jinja::Template::parse(text);
    static const auto data = quern::tokenizer::members_of(kConversation, "fuzz.json");
    try {
      parsed.render(data, {.max_steps = 200'000, .max_bytes = 1 << 24, .now = 1});
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_argument) throw;
    }
  });
}

}  // namespace quern::fuzz
