#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "io/json.h"
#include "quern/tokenizer.h"
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

TEST_CASE("a recognised template renders as the Jinja does") {
  const Json goldens = io::read_json("tests/data/tokenizer/chat_goldens.json");
  REQUIRE(goldens.at("templates").size() == 19);
  for (const Json& golden : goldens.at("templates")) {
    const auto name = golden.at("name").get<std::string>();
    CAPTURE(name);
    const auto chat = ChatTemplate::recognise(golden.at("template").get<std::string>());
    CHECK(chat.name() == name.substr(0, name.find(',')));
    CHECK(chat.stop_strings().empty());
    for (std::size_t i = 0; i < golden.at("rendered").size(); ++i) {
      const auto messages = messages_of(goldens.at("conversations")[i]);
      CHECK(chat.render(messages) == golden.at("rendered")[i].get<std::string>());
    }
  }
}

TEST_CASE("only a form's own words may be special tokens, wherever a message's contents go") {
  const Json goldens = io::read_json("tests/data/tokenizer/chat_goldens.json");
  const std::vector<ChatMessage> messages{{"system", "  RULE<|im_end|> "},
                                          {"user", " QUERY</s> "},
                                          {"assistant", "REPLY<|eot_id|>"},
                                          {"user", "AFTER<end_of_turn>"}};
  for (const Json& golden : goldens.at("templates")) {
    CAPTURE(golden.at("name").get<std::string>());
    const auto chat = ChatTemplate::recognise(golden.at("template").get<std::string>());
    std::string whole, words;
    for (const TextPiece& piece : chat.render_pieces(messages)) {
      whole += piece.text;
      if (!piece.parse_special) words += piece.text + "|";
      for (const char* content : {"RULE", "QUERY", "REPLY", "AFTER"})
        CHECK((!piece.parse_special || piece.text.find(content) == std::string::npos));
    }
    CHECK(whole == chat.render(messages));
    for (const char* content :
         {"RULE<|im_end|>", "QUERY</s>", "REPLY<|eot_id|>", "AFTER<end_of_turn>"})
      CHECK(words.find(content) != std::string::npos);
  }
}

TEST_CASE("a template of no known family is refused, and not taken for another") {
  const auto unknown = ChatTemplate::recognise("{{ messages }}");
  CHECK(unknown.name() == "unknown");
  CHECK(unknown.stop_strings().empty());
  const std::array hello{ChatMessage{"user", "Hello"}};
  CHECK(code_of([&] { unknown.render(hello); }) == ErrorCode::unsupported);
}

TEST_CASE("a model without a template gets the plain form") {
  const auto chat = ChatTemplate::recognise("");
  const std::vector<ChatMessage> messages{
      {"system", "Be brief."}, {"user", "Hi"}, {"assistant", "Hello"}, {"user", "Bye"}};
  CHECK(chat.name() == "plain");
  CHECK(chat.render(messages) ==
        "system: Be brief.\nuser: Hi\nassistant: Hello\nuser: Bye\nassistant:");
  CHECK(chat.stop_strings().size() == 2);
  CHECK(ChatTemplate().name() == "plain");
  CHECK(ChatTemplate::recognise("").render({}) == "assistant:");
}

TEST_CASE("a conversation that a form has no place for is refused") {
  const std::array tool{ChatMessage{"tool", "42"}};
  CHECK(code_of([&] { ChatTemplate().render(tool); }) == ErrorCode::invalid_argument);
  const std::array system{ChatMessage{"system", "Be brief."}};
  const auto gemma = ChatTemplate::recognise("<start_of_turn><end_of_turn>");
  CHECK(code_of([&] { gemma.render(system); }) == ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace quern
