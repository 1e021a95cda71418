#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "quern/llm.h"
#include "support/error_code.h"

using namespace quern;

namespace {

llm::Model load() {
  return llm::Model::load("examples/models/storyteller-q8_0.gguf",
                          {.accuracy = Accuracy::exact, .context_length = 2048});
}

llm::GenerateOptions greedy(std::int64_t count) {
  llm::GenerateOptions options{.max_tokens = count, .temperature = 0.f};
  options.ignore_stop_tokens = true;
  return options;
}

}  // namespace

TEST_CASE("a conversation goes on from what it kept as from the beginning") {
  const auto model = load();
  llm::Chat chat{model, {.system = "Tell a story."}};
  const auto first = chat.send("About a fox.", greedy(20));
  const auto second = chat.send("And a hen.", greedy(20));
  CHECK(first.usage.cached_tokens == 0);
  CHECK(second.usage.cached_tokens > first.usage.prompt_tokens / 2);

  // Another conversation that is told the same, but keeps nothing of the first turn.
  llm::Chat fresh{model, {.system = "Tell a story."}};
  fresh.send("About a fox.", greedy(20));
  const std::vector<ChatMessage> said(chat.messages().begin(), chat.messages().end());
  const std::string prompt = model.chat_template().render(std::span(said).first(4));
  llm::GenerateOptions options = greedy(20);
  const auto stops = model.chat_template().stop_strings();
  options.stop.assign(stops.begin(), stops.end());
  const auto ids = model.tokenizer().encode(prompt, {.add_special = true, .parse_special = true});
  const auto resumed = model.generate(ids, options);
  CHECK(resumed.text == second.text);
  CHECK(resumed.usage.cached_tokens == 0);
}

TEST_CASE("a conversation holds what was said, and forgets all but the system message") {
  llm::Chat chat{load(), {.system = "Be brief."}};
  const auto reply = chat.send("Hello.", greedy(4));
  REQUIRE(chat.messages().size() == 3);
  CHECK(chat.messages()[0].content == "Be brief.");
  CHECK(chat.messages()[1].role == "user");
  CHECK(chat.messages()[2].content == reply.text);
  chat.clear();
  REQUIRE(chat.messages().size() == 1);
  CHECK(chat.send("Hello.", greedy(4)).text == reply.text);
}

TEST_CASE("a turn cancelled from another thread ends in its prompt or in its answer") {
  llm::Chat chat{load()};
  chat.cancel();  // of nothing
  const auto before = chat.send("Hello.", greedy(8));
  REQUIRE(before.finish_reason == llm::FinishReason::length);
  REQUIRE(chat.messages().size() == 2);

  std::string tale;
  for (int i = 0; i < 180; ++i) tale += "Once upon a time there was a fox. ";
  std::atomic<bool> answers = false;
  const auto send_and_cancel = [&](const std::string& message, bool in_answer) {
    std::atomic<bool> ended = false;
    std::thread other([&] {
      while (!ended) {
        if (answers || !in_answer) chat.cancel();
        std::this_thread::yield();
      }
    });
    const auto reply = chat.send(message, greedy(2000), [&](std::string_view) { answers = true; });
    ended = true;
    other.join();
    return reply;
  };
  const auto in_prompt = send_and_cancel(tale, false);
  CHECK(in_prompt.finish_reason == llm::FinishReason::cancelled);
  CHECK(in_prompt.tokens.empty());
  CHECK(chat.messages().size() == 2);

  const auto in_answer = send_and_cancel("Go on.", true);
  CHECK(in_answer.finish_reason == llm::FinishReason::cancelled);
  CHECK(in_answer.usage.completion_tokens < 500);
  REQUIRE(chat.messages().size() == 4);
  CHECK(chat.messages()[3].content == in_answer.text);
  CHECK(chat.send("And then?", greedy(8)).finish_reason == llm::FinishReason::length);
}

TEST_CASE("a failed turn leaves the conversation as it was") {
  llm::Chat chat{load()};
  const auto before = chat.send("Hello.", greedy(8));
  const auto throwing = [](std::string_view) -> Flow { throw std::runtime_error("no"); };
  CHECK_THROWS(chat.send("Go on.", greedy(8), throwing));
  CHECK(code_of([&] { chat.send("Go on.", {.max_tokens = -1}); }) == ErrorCode::invalid_argument);
  CHECK(chat.messages().size() == 2);
  llm::Chat other{load()};
  other.send("Hello.", greedy(8));
  CHECK(chat.send("Go on.", greedy(8)).text == other.send("Go on.", greedy(8)).text);
}

TEST_CASE("what a user writes is no special token, even where it spells one") {
  const auto model = load();
  const Tokenizer& tokenizer = model.tokenizer();
  REQUIRE(!tokenizer.stop_tokens().empty());
  const TokenId stop = tokenizer.stop_tokens().front();
  const std::vector<ChatMessage> said{{"user", tokenizer.decode({&stop, 1}, true)}};
  const auto parsed = tokenizer.encode(model.chat_template().render(said),
                                       {.add_special = true, .parse_special = true});
  llm::Chat chat{model};
  const auto reply = chat.send(said[0].content, greedy(1));
  CHECK(reply.usage.prompt_tokens > static_cast<std::int64_t>(parsed.size()));
}
