#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "quern/llm.h"
#include "support/error_code.h"
#include "support/sanitized.h"

using namespace quern;

namespace {

const llm::Model& exact_storyteller() {
  static const auto model = llm::Model::load("examples/models/storyteller-q8_0.gguf",
                                             {.accuracy = Accuracy::exact, .context_length = 512});
  return model;
}

std::vector<TokenId> random_ids(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> ids(count);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % 1000);
  return ids;
}

llm::GenerateOptions sampled(std::int64_t count, std::uint64_t seed) {
  llm::GenerateOptions options{.max_tokens = count, .seed = seed};
  options.ignore_stop_tokens = true;
  return options;
}

/// Holds the engine's thread within a callback until it is told to go on.
struct Gate {
  std::promise<void> reached, opened;
  std::atomic<int> calls = 0;

  llm::DeltaCallback callback() {
    return [this](const llm::Delta&) {
      if (calls++ == 0) {
        reached.set_value();
        opened.get_future().wait();
      }
      return Flow::keep_going;
    };
  }
  void wait_until_reached() { reached.get_future().wait(); }
  void open() { opened.set_value(); }
};

}  // namespace

TEST_CASE("requests in one engine get the answers they get alone") {
  llm::Engine engine(exact_storyteller(), {.step_tokens = 100});
  std::vector<llm::Generation> together;
  for (unsigned i = 0; i < 12; ++i)
    together.push_back(
        engine.submit({.prompt = random_ids(1 + 23 * i, i), .options = sampled(20, i)}));
  for (unsigned i = 0; i < 12; ++i) {
    const auto alone = exact_storyteller().generate(random_ids(1 + 23 * i, i), sampled(20, i));
    const auto reply = together[i].wait();
    CHECK(reply.text == alone.text);
    CHECK(reply.tokens == alone.tokens);
    CHECK(reply.finish_reason == llm::FinishReason::length);
    CHECK(reply.usage.prompt_tokens == 1 + 23 * i);
    CHECK(reply.usage.completion_tokens == 20);
  }
  const auto counted = engine.statistics();
  CHECK(counted.requests == 12);
  CHECK(counted.completion_tokens == 240);
  CHECK(counted.queued == 0);
  CHECK(counted.running == 0);
  CHECK(counted.kv_pages_used == counted.kv_pages_kept);
}

TEST_CASE("text, tokens and messages are prompts, and messages end where the template says") {
  llm::Engine engine(exact_storyteller());
  const std::string text = "Once upon a time";
  auto options = sampled(12, 5);
  CHECK(engine.submit({.prompt = text, .options = options}).wait().text ==
        exact_storyteller().generate(text, options).text);
  llm::Chat chat(exact_storyteller());
  options.ignore_stop_tokens = false;
  options.max_tokens = 40;
  const std::vector<ChatMessage> messages{{"user", "A fox."}};
  CHECK(engine.submit({.prompt = messages, .options = options}).wait().text ==
        chat.send("A fox.", options).text);
}

TEST_CASE("deltas add up to the reply, and done comes after them") {
  llm::Engine engine(exact_storyteller());
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  std::promise<std::size_t> done;
  auto options = sampled(30, 1);
  options.logprobs = 3;
  const auto generation =
      engine.submit({.prompt = std::string("There once was"),
                     .options = options,
                     .callback =
                         [&](const llm::Delta& delta) {
                           text += delta.text;
                           tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
                           for (const auto& chosen : delta.logprobs)
                             logprobs.push_back(chosen.logprob);
                           return Flow::keep_going;
                         },
                     .done = [&] { done.set_value(tokens.size()); }});
  CHECK(done.get_future().get() == 30);
  CHECK(generation.ready());
  const auto reply = generation.wait();
  CHECK(text == reply.text);
  CHECK(tokens == reply.tokens);
  REQUIRE(reply.logprobs.size() == 30);
  for (std::size_t i = 0; i < 30; ++i) {
    CHECK(logprobs[i] == reply.logprobs[i].logprob);
    CHECK(reply.logprobs[i].token == tokens[i]);
  }
}

TEST_CASE("a common beginning is shared within a tenant, in whole pages, and changes no text") {
  llm::Engine engine(exact_storyteller());
  auto prompt = random_ids(150, 1);
  const auto ask = [&](const std::string& tenant) {
    return engine.submit({.prompt = prompt, .options = sampled(20, 7), .tenant = tenant}).wait();
  };
  const auto fresh = ask("a");
  const auto shared = ask("a");
  const auto other = ask("b");
  CHECK(fresh.usage.cached_tokens == 0);
  CHECK(shared.usage.cached_tokens == 128);
  CHECK(other.usage.cached_tokens == 0);
  CHECK(shared.text == fresh.text);
  CHECK(other.text == fresh.text);
  CHECK(engine.statistics().prefix_hits == 1);
  CHECK(engine.statistics().cached_tokens == 128);
  // The last token of a prompt is always run, though the page it fills is kept.
  prompt.resize(128);
  CHECK(ask("a").usage.cached_tokens == 64);
  prompt[0] ^= 1;
  CHECK(ask("a").usage.cached_tokens == 0);
}

TEST_CASE("an answer is shared by the turn that follows it") {
  llm::Engine engine(exact_storyteller());
  auto prompt = random_ids(60, 1);
  const auto first = engine.submit({.prompt = prompt, .options = sampled(80, 7)}).wait();
  prompt.insert(prompt.end(), first.tokens.begin(), first.tokens.end());
  CHECK(engine.submit({.prompt = prompt, .options = sampled(5, 1)}).wait().usage.cached_tokens ==
        128);
}

TEST_CASE("keys and values of all that run in full contexts fit, and no more is held") {
  const std::int64_t context = exact_storyteller().context_length();
  CHECK(llm::Engine(exact_storyteller(), {.max_running = 3}).statistics().kv_pages_total * 64 ==
        3 * context);
  CHECK(llm::Engine(exact_storyteller(), {.max_running = 1 << 30, .step_tokens = (1 << 30) + 1})
            .statistics()
            .kv_pages_total > 3 * context);
}

TEST_CASE("a page budget smaller than two requests runs one after the other") {
  llm::Engine engine(exact_storyteller(), {.kv_tokens = 300});  // five pages
  CHECK(engine.statistics().kv_pages_total == 5);
  std::atomic<std::int64_t> most = 0;
  std::vector<llm::Generation> generations;
  for (unsigned i = 0; i < 6; ++i) {
    generations.push_back(engine.submit({.prompt = random_ids(150, i % 2),
                                         .options = sampled(30, i),
                                         .callback = [&](const llm::Delta&) {
                                           const auto now = engine.statistics();
                                           most = std::max(most.load(), now.running);
                                           CHECK(now.kv_pages_used <= 5);
                                           return Flow::keep_going;
                                         }}));
  }
  for (unsigned i = 0; i < 6; ++i)
    CHECK(generations[i].wait().text ==
          exact_storyteller().generate(random_ids(150, i % 2), sampled(30, i)).text);
  // Three pages each: a second one fits only beside one whose first two pages it shares.
  CHECK(most <= 2);
  CHECK(code_of([&] {
          engine.submit({.prompt = random_ids(300, 1), .options = sampled(100, 1)});
        }) == ErrorCode::invalid_argument);
}

TEST_CASE("kept pages give way to what needs room, the least recently used first") {
  llm::Engine engine(exact_storyteller(), {.kv_tokens = 384});  // six pages
  const auto ask = [&](unsigned seed) {
    return engine.submit({.prompt = random_ids(130, seed), .options = sampled(2, 1)}).wait();
  };
  ask(1);
  ask(2);
  CHECK(engine.statistics().kv_pages_kept == 4);
  CHECK(ask(1).usage.cached_tokens == 128);
  ask(3);  // takes the place of the pages of 2
  CHECK(ask(1).usage.cached_tokens == 128);
  CHECK(ask(2).usage.cached_tokens < 128);
}

TEST_CASE("a finished request takes no room, however long its handle is held") {
  llm::Engine engine(exact_storyteller(), {.kv_tokens = 192});  // three pages
  std::vector<llm::Generation> held;
  for (unsigned i = 0; i < 4; ++i) {
    held.push_back(engine.submit({.prompt = random_ids(140, i), .options = sampled(2, 1)}));
    CHECK(held.back().wait().tokens.size() == 2);
  }
}

TEST_CASE("a full queue is busy, and takes requests again once one is finished") {
  Gate gate;
  llm::Engine engine(exact_storyteller(), {.max_running = 1, .max_queued = 2});
  const llm::Request quick{.prompt = random_ids(5, 1), .options = sampled(3, 1)};
  llm::Request held = quick;
  held.callback = gate.callback();
  const auto running = engine.submit(std::move(held));
  gate.wait_until_reached();
  const auto second = engine.submit(quick);
  const auto third = engine.submit(quick);
  CHECK(code_of([&] { engine.submit(quick); }) == ErrorCode::busy);
  CHECK(engine.statistics().queued == 2);
  CHECK_FALSE(third.ready());
  gate.open();
  CHECK(third.wait().tokens == second.wait().tokens);
  CHECK(engine.submit(quick).wait().tokens == third.wait().tokens);
}

TEST_CASE("a higher priority leaves the queue first") {
  Gate gate;
  std::vector<int> order;
  std::promise<void> all;
  llm::Engine engine(exact_storyteller(), {.max_running = 1});
  const auto ask = [&](int priority, llm::DeltaCallback callback) {
    return engine.submit({.prompt = random_ids(5, 1),
                          .options = sampled(2, 1),
                          .priority = priority,
                          .callback = std::move(callback),
                          .done = [&, priority] {
                            order.push_back(priority);
                            if (order.size() == 5) all.set_value();
                          }});
  };
  std::vector<llm::Generation> generations;
  generations.push_back(ask(0, gate.callback()));
  gate.wait_until_reached();
  for (const int priority : {-3, 2, 1, 2}) generations.push_back(ask(priority, {}));
  gate.open();
  all.get_future().wait();
  CHECK(order == std::vector<int>{0, 2, 2, 1, -3});
}

TEST_CASE("cancelling takes effect within one step") {
  llm::Engine engine(exact_storyteller());
  llm::Generation generation;
  std::promise<void> assigned;
  int calls = 0;
  std::shared_future<void> ready = assigned.get_future().share();
  generation = engine.submit(
      {.prompt = random_ids(5, 1), .options = sampled(400, 1), .callback = [&](const llm::Delta&) {
         ready.wait();
         if (++calls == 3) generation.cancel();
         return Flow::keep_going;
       }});
  assigned.set_value();
  const auto reply = generation.wait();
  CHECK(reply.finish_reason == llm::FinishReason::cancelled);
  CHECK(calls == 3);
  CHECK_FALSE(reply.text.empty());
  CHECK(engine.statistics().running == 0);
  CHECK(engine.statistics().steps <= reply.usage.completion_tokens + 1);
}

TEST_CASE("a waiting request can be cancelled, and a dropped one calls nothing any more") {
  Gate gate;
  llm::Engine engine(exact_storyteller(), {.max_running = 1});
  const auto running = engine.submit(
      {.prompt = random_ids(5, 1), .options = sampled(40, 1), .callback = gate.callback()});
  gate.wait_until_reached();
  int calls = 0;
  const auto count = [&](const llm::Delta&) {
    ++calls;
    return Flow::keep_going;
  };
  auto waiting =
      engine.submit({.prompt = random_ids(5, 1), .options = sampled(40, 1), .callback = count});
  {
    const auto dropped = engine.submit(
        {.prompt = random_ids(5, 1), .options = sampled(40, 1), .callback = count, .done = [&] {
           ++calls;
         }});
  }
  waiting.cancel();
  gate.open();
  CHECK(waiting.wait().finish_reason == llm::FinishReason::cancelled);
  CHECK(running.wait().finish_reason == llm::FinishReason::length);
  CHECK(calls == 0);
}

TEST_CASE("a callback that stops or throws ends its own request only") {
  llm::Engine engine(exact_storyteller());
  const auto ask = [&](llm::DeltaCallback callback) {
    return engine.submit(
        {.prompt = random_ids(5, 1), .options = sampled(40, 1), .callback = std::move(callback)});
  };
  const auto stopped = ask([](const llm::Delta&) { return Flow::stop; });
  const auto thrown =
      ask([](const llm::Delta&) -> Flow { throw std::runtime_error("from the callback"); });
  const auto other = ask([](const llm::Delta&) { return Flow::keep_going; });
  CHECK(stopped.wait().finish_reason == llm::FinishReason::cancelled);
  CHECK_THROWS_WITH(thrown.wait(), "from the callback");
  CHECK_THROWS_WITH(thrown.wait(), "from the callback");
  CHECK(other.wait().tokens ==
        exact_storyteller().generate(random_ids(5, 1), sampled(40, 1)).tokens);
}

TEST_CASE("a generation may be destroyed, and another submitted, within a callback") {
  llm::Engine engine(exact_storyteller());
  llm::Generation first, second;
  std::promise<void> assigned, submitted;
  auto ready = assigned.get_future().share();
  first = engine.submit(
      {.prompt = random_ids(5, 1), .options = sampled(400, 1), .callback = [&](const llm::Delta&) {
         ready.wait();
         second = engine.submit({.prompt = random_ids(5, 1), .options = sampled(4, 1)});
         first = {};
         submitted.set_value();
         return Flow::keep_going;
       }});
  assigned.set_value();
  submitted.get_future().wait();
  CHECK(second.wait().usage.completion_tokens == 4);
}

TEST_CASE("an engine that ends cancels what it has, and its generations outlive it") {
  std::vector<llm::Generation> generations;
  {
    llm::Engine engine(exact_storyteller(), {.max_running = 2});
    for (unsigned i = 0; i < 5; ++i)
      generations.push_back(
          engine.submit({.prompt = random_ids(100, i), .options = sampled(400, i)}));
  }
  for (const auto& generation : generations)
    CHECK(generation.wait().finish_reason == llm::FinishReason::cancelled);
}

TEST_CASE("options and prompts out of range are refused by submit") {
  CHECK(code_of([] { llm::Engine(exact_storyteller(), {.max_running = 0}); }) ==
        ErrorCode::invalid_argument);
  CHECK(code_of([] { llm::Engine(exact_storyteller(), {.max_running = 9, .step_tokens = 9}); }) ==
        ErrorCode::invalid_argument);
  CHECK(code_of([] { llm::Engine(exact_storyteller(), {.kv_tokens = -1}); }) ==
        ErrorCode::invalid_argument);
  llm::Engine engine(exact_storyteller());
  const auto refused = [&](llm::Request request) {
    return code_of([&] { engine.submit(std::move(request)); }) == ErrorCode::invalid_argument;
  };
  CHECK(refused({.prompt = std::vector<TokenId>{}}));
  CHECK(refused({.prompt = std::vector<TokenId>{1, 1024}}));
  CHECK(refused({.prompt = random_ids(513, 1)}));
  CHECK(refused({.prompt = random_ids(5, 1), .options = {.temperature = -1.f}}));
  CHECK(refused({.prompt = std::vector<ChatMessage>{{"nobody", "Hello."}}}));
  CHECK(engine.submit({.prompt = random_ids(5, 1), .options = {.max_tokens = 0}})
            .wait()
            .tokens.empty());
}

TEST_CASE("200 requests of random lengths, a third of them cancelled, end as they would alone") {
  constexpr unsigned kRequests = usually(200, 60), kCallers = 4;
  std::vector<llm::Generation> generations(kRequests);
  std::vector<std::size_t> lengths(kRequests);
  std::vector<std::int64_t> answers(kRequests), cancel_after(kRequests);
  std::mt19937 random(3);
  for (unsigned i = 0; i < kRequests; ++i) {
    lengths[i] = 1 + random() % 90;
    answers[i] = 1 + random() % 12;
    cancel_after[i] = random() % 3 == 0 ? random() % 4 : answers[i];
  }
  llm::Engine engine(exact_storyteller(),
                     {.max_running = 16, .kv_tokens = 1024, .step_tokens = 64});
  std::vector<std::thread> callers;
  for (unsigned caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (unsigned i = caller; i < kRequests; i += kCallers) {
        generations[i] = engine.submit({.prompt = random_ids(lengths[i], i % 5),
                                        .options = sampled(answers[i], i),
                                        .tenant = std::to_string(i % 2),
                                        .priority = static_cast<int>(i % 3)});
        if (cancel_after[i] == 0) generations[i].cancel();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  unsigned finished = 0;
  for (unsigned i = 0; i < kRequests; ++i) {
    if (cancel_after[i] != answers[i] && i % 2 == 0) generations[i].cancel();
    const auto reply = generations[i].wait();
    if (reply.finish_reason == llm::FinishReason::cancelled) continue;
    ++finished;
    const auto alone =
        exact_storyteller().generate(random_ids(lengths[i], i % 5), sampled(answers[i], i));
    CHECK(reply.text == alone.text);
  }
  CHECK(finished >= kRequests / 2);
  CHECK(engine.statistics().running == 0);
  CHECK(engine.statistics().kv_pages_used <= 16);
  CHECK(engine.statistics().requests == kRequests);
}
