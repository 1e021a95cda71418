// ledger_writer LEDGER FIRST: records entries from several threads until it is killed, and prints
// the number of each when its ticket has been waited for. Each number is recorded twice, under one
// id, as by a client that asks again.

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "serve/ledger.h"

namespace {

constexpr int kThreads = 8;

void record_forever(quern::serve::Ledger& ledger, long number) {
  for (;; number += kThreads) {
    const quern::serve::LedgerEntry entry{.id = "r" + std::to_string(number),
                                          .key = "qk_aaaaaaaaaa",
                                          .account = 1,
                                          .model = "m",
                                          .prompt_tokens = 3,
                                          .completion_tokens = 5,
                                          .finish_reason = "stop",
                                          .prices = {1, 1, 1},
                                          .finished = std::chrono::system_clock::now()};
    const auto first = ledger.record(entry);
    const auto again = ledger.record(entry);
    first.wait();
    again.wait();
    const std::string line = std::to_string(number) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  quern::serve::Ledger ledger(argv[1], "EUR", "");
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, first = std::atol(argv[2]) + t] { record_forever(ledger, first); });
  }
  for (std::thread& thread : threads) thread.join();
  return 1;
}
