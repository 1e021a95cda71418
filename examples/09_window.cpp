// A window with a chat in it: the window's thread draws and takes clicks, a worker's thread
// generates, and "Stop" ends an answer at once, in the middle of a long message too. A toolkit's
// event loop takes the place of the loop in main, and its way to call a function on its thread that
// of `window.post`.
//
//   09_window [MODEL]    a .gguf file or a Hugging Face folder
#include <chrono>
#include <condition_variable>
#include <functional>
#include <iostream>
#include <mutex>
#include <queue>
#include <string>
#include <string_view>
#include <thread>

#include "quern/error.h"
#include "quern/llm.h"

using Event = std::function<void()>;

/// Events in the order in which they were posted, from any thread.
class Mailbox {
 public:
  void post(const Event& event) {
    const std::lock_guard lock(mutex_);
    events_.push(event);
    posted_.notify_one();
  }
  Event take(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    if (!posted_.wait_for(lock, time, [&] { return !events_.empty(); })) return {};
    const Event event = events_.front();
    events_.pop();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::queue<Event> events_;
};

int main(int argc, char** argv) {
  using namespace quern;
  constexpr std::chrono::milliseconds kFrame{16}, kPatience{50};
  llm::Chat chat{llm::Model::load(argc > 1 ? argv[1] : "examples/models/storyteller-q8_0.gguf")};
  Mailbox window, work;
  bool is_open = true;
  std::jthread worker([&](const std::stop_token& stopped) {
    while (!stopped.stop_requested()) {
      if (const Event event = work.take(kFrame)) event();
    }
  });
  const auto draw = [&](const std::string& text) {  // from any thread
    window.post([text] { std::cout << text << std::flush; });
  };
  const auto ask = [&](const std::string& message, const Event& then) {
    work.post([&, message, then] {
      try {
        const llm::Reply reply =
            chat.send(message, {.max_tokens = 200},
                      [&](std::string_view piece) { draw(std::string(piece)); });
        draw(reply.finish_reason == llm::FinishReason::cancelled ? " [stopped]\n" : " [done]\n");
      } catch (const Error& error) {
        draw(std::string(error.what()) + "\n");
      }
      window.post(then);
    });
  };
  ask("Once upon a time", [&] { ask("And then?", [&] { is_open = false; }); });
  const auto opened = std::chrono::steady_clock::now();
  bool was_clicked = false;
  while (is_open) {
    if (!was_clicked && std::chrono::steady_clock::now() - opened > kPatience) {
      chat.cancel();  // the click on "Stop"
      was_clicked = true;
    }
    if (const Event event = window.take(kFrame)) event();
  }
}
