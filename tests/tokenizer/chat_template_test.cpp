#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "io/json.h"
#include "quern/chat_template.h"
#include "support/error_code.h"

namespace quern {
namespace {

using io::Json;

std::vector<ChatMessage> messages_of(const Json& conversation) {
  std::vector<ChatMessage> messages;
  for (const Json& message : conversation) {
    messages.push_back({message.at("role"), message.at("content")});
  }
  return messages;
}

constexpr const char* kTokens = R"({"bos_token": "<s>", "eos_token": "</s>"})";

TEST_CASE("a template renders a conversation as the Jinja does") {
  const Json goldens = io::read_json("tests/data/tokenizer/chat_goldens.json");
  REQUIRE(goldens.at("templates").size() == 19);
  for (const Json& golden : goldens.at("templates")) {
    CAPTURE(golden.at("name").get<std::string>());
    const auto chat = ChatTemplate::parse(golden.at("template").get<std::string>());
    CHECK(chat.is_own());
    CHECK(chat.stop_strings().empty());
    for (std::size_t i = 0; i < golden.at("rendered").size(); ++i) {
      const auto messages = messages_of(goldens.at("conversations")[i]);
      std::string rendered = chat.render(messages, {.variables = kTokens});
      if (rendered.starts_with("<s>")) rendered.erase(0, 3);
      CHECK(rendered == golden.at("rendered")[i].get<std::string>());
    }
  }
}

TEST_CASE("only a template's own words may be special tokens, wherever a message's contents go") {
  const Json goldens = io::read_json("tests/data/tokenizer/chat_goldens.json");
  const std::vector<ChatMessage> messages{{"system", "  RULE<|im_end|> "},
                                          {"user", " QUERY</s> "},
                                          {"assistant", "REPLY<|eot_id|>"},
                                          {"user", "AFTER<end_of_turn>"}};
  for (const Json& golden : goldens.at("templates")) {
    CAPTURE(golden.at("name").get<std::string>());
    const auto chat = ChatTemplate::parse(golden.at("template").get<std::string>());
    std::string whole, words;
    for (const TextPiece& piece : chat.render_pieces(messages, {.variables = kTokens})) {
      whole += piece.text;
      if (!piece.parse_special) words += piece.text + "|";
      for (const char* content : {"RULE", "QUERY", "REPLY", "AFTER"})
        CHECK((!piece.parse_special || piece.text.find(content) == std::string::npos));
    }
    CHECK(whole == chat.render(messages, {.variables = kTokens}));
    for (const char* content :
         {"RULE<|im_end|>", "QUERY</s>", "REPLY<|eot_id|>", "AFTER<end_of_turn>"})
      CHECK(words.find(content) != std::string::npos);
  }
}

/// The text of all pieces that parse special tokens.
std::string own_words(std::string_view source, const ChatMessage& message,
                      const ChatTemplateOptions& options = {}) {
  std::string words;
  for (const TextPiece& piece :
       ChatTemplate::parse(source).render_pieces(std::array{message}, options))
    if (piece.parse_special) words += piece.text;
  return words;
}

TEST_CASE("contents stay contents through filters, methods, macros and JSON") {
  const ChatMessage message{"user", "a<|X|>b", R"({"tool_calls": [{"<|K|>": "<|V|>"}]})"};
  for (const char* expression :
       {"m.content | upper | trim", "m.content.split('|')[1] ~ m.content[1:4]", "m | tojson",
        "m.content.replace('a', '[').strip('b')", "'%s-%s' % (m.content, m.content)",
        "'{:>9}'.format(m.content)", "m.tool_calls | string", "m.content | list | join('.')",
        "[m.content, 'q'] | join | reverse", "m.tool_calls[0] | items | list",
        "(m.content * 2)[::-1]", "ns.t", "f(m.content)", "m.tool_calls | tojson(indent=2)",
        "m.content | indent(2, true) | replace('X', 'Y')", "m.tool_calls[0].keys() | first"}) {
    CAPTURE(std::string(expression));
    const std::string source =
        "{% macro f(x) %}{{ x | title }}{% endmacro %}{% set m = messages[0] %}"
        "{% set ns = namespace(t='') %}{% for c in m.content %}{% set ns.t = ns.t + c %}{% endfor "
        "%}"
        "<|own|>{{ " +
        std::string(expression) + " }}";
    const std::string words = own_words(source, message);
    CHECK(words.find("<|own|>") == 0);
    for (const char* part : {"X", "x", "K", "V"}) CHECK(words.find(part) == std::string::npos);
    CHECK(words.find("|", 7) == std::string::npos);
  }
}

TEST_CASE("roles that templates know make their tokens, and others are data") {
  const char* source = "{{ '<|' + messages[0].role + '|>' }}";
  CHECK(own_words(source, {"user", ""}) == "<|user|>");
  CHECK(own_words(source, {"endoftext", ""}) == "<||>");
}

TEST_CASE("tools, more of a message and variables reach the template") {
  const auto chat = ChatTemplate::parse(
      "{{ messages[0].name }}|{{ messages[0].content }}|{{ tools | tojson }}|{{ thinking }}|"
      "{{ add_generation_prompt }}|{{ documents is none }}");
  const std::array hello{ChatMessage{"user", "x", R"({"name": "Ann", "content": ["p", "q"]})"}};
  CHECK(chat.render(hello, {.add_generation_prompt = false,
                            .tools = R"([{"z": 1, "a": 2.50}])",
                            .variables = R"({"thinking": true})"}) ==
        "Ann|['p', 'q']|[{\"z\": 1, \"a\": 2.5}]|True|False|True");
  CHECK(chat.render(hello) == "Ann|['p', 'q']|null||True|True");
  CHECK(code_of([&] { chat.render(hello, {.tools = "[1"}); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { chat.render(hello, {.variables = "[]"}); }) == ErrorCode::invalid_argument);
}

TEST_CASE("a template with a fault is refused, with its line") {
  CHECK_THROWS_WITH_AS(ChatTemplate::parse("a\n{% if x %}\n{{ y"),
                       "chat template: line 3: {{ has no end \"}}\"", Error);
  CHECK(code_of([] { ChatTemplate::parse("{% include 'x' %}"); }) == ErrorCode::unsupported);
  const std::array hello{ChatMessage{"user", "Hello"}};
  const auto refuses = ChatTemplate::parse("\n{{ raise_exception('no ' ~ messages[0].role) }}");
  CHECK_THROWS_WITH_AS(refuses.render(hello),
                       "chat template: line 2: the template refuses: no user", Error);
}

TEST_CASE("a model without a template gets the plain form") {
  const ChatTemplate chat;
  const std::vector<ChatMessage> messages{
      {"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Hello"}, {"user", "Bye"}};
  CHECK(!chat.is_own());
  CHECK(chat.render(messages) ==
        "system: Be brief.\nuser: Hi\nassistant: Hello\nuser: Bye\nassistant:");
  CHECK(chat.stop_strings().size() == 2);
  CHECK(chat.render({}) == "assistant:");
  const std::array tool{ChatMessage{"tool", "42"}};
  CHECK(code_of([&] { chat.render(tool); }) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern
