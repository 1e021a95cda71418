#include "serve/mailbox.h"

#include <utility>

namespace quern::serve {

Mailbox::Mailbox(std::size_t choices) : unfinished_(choices) {}

void Mailbox::put(std::size_t choice, const llm::Delta& delta) {
  const std::lock_guard lock(mutex_);
  pieces_.push_back({choice,
                     std::string(delta.text),
                     std::ssize(delta.tokens),
                     {delta.logprobs.begin(), delta.logprobs.end()}});
  news_.notify_one();
}

void Mailbox::finish() {
  const std::lock_guard lock(mutex_);
  if (--unfinished_ == 0) news_.notify_one();
}

bool Mailbox::take(std::vector<Piece>& pieces, std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, time, [this] { return !pieces_.empty() || unfinished_ == 0; });
  pieces = std::exchange(pieces_, {});
  return unfinished_ == 0;
}

}  // namespace quern::serve
