#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "quern/llm.h"

namespace quern::serve {

/// What engines' threads leave for the thread that writes an answer. Thread-safe.
class Mailbox {
 public:
  struct Piece {
    std::size_t choice = 0;
    std::string text;
    std::int64_t tokens = 0;
    std::vector<llm::ChosenLogprob> logprobs;
  };

  /// Expects so many choices to finish.
  explicit Mailbox(std::size_t choices);

  void put(std::size_t choice, const llm::Delta& delta);
  void finish();
  /// Waits that long at most for something new, moves all of it into `pieces`, and says whether
  /// that was the last of it.
  bool take(std::vector<Piece>& pieces, std::chrono::milliseconds time);

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<Piece> pieces_;
  std::size_t unfinished_;
};

}  // namespace quern::serve
