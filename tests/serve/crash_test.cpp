#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <set>
#include <string>

#include "serve/schema.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

constexpr int kKills = 200;
constexpr long kNumbersOfARun = 1'000'000;

/// A run of ledger_writer, whose standard output is read by line.
class Writer {
 public:
  Writer(const std::string& ledger, long first) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const std::string number = std::to_string(first);
    process_ = fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      execl(QUERN_LEDGER_WRITER, "ledger_writer", ledger.c_str(), number.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
    REQUIRE(output_ != nullptr);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    kill();
    fclose(output_);
  }

  /// The next whole line; false at the end of the output.
  bool read(long& number) {
    char line[64];
    if (fgets(line, sizeof line, output_) == nullptr) return false;
    number = std::stol(line);
    return std::string(line).ends_with('\n');
  }

  void kill() {
    if (process_ < 0) return;
    ::kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
  FILE* output_ = nullptr;
};

}  // namespace

TEST_CASE("a writer killed 200 times under load loses no acknowledged entry and bills none twice") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  std::set<long> acknowledged;
  std::mt19937 random(7);
  for (int run = 0; run < kKills; ++run) {
    Writer writer(path, run * kNumbersOfARun);
    const unsigned kill_after = random() % 60;  // entries, so some die in their first transaction
    long number = 0;
    for (unsigned i = 0; i < kill_after && writer.read(number); ++i) acknowledged.insert(number);
    writer.kill();
    while (writer.read(number)) acknowledged.insert(number);
  }
  REQUIRE(acknowledged.size() > kKills * 10);

  Database database = open_ledger(path);
  std::set<long> recorded;
  database.query("SELECT id FROM requests", {},
                 [&](const Row& row) { recorded.insert(std::stol(row.text(0).substr(1))); });
  for (const long number : acknowledged) {
    CHECK_MESSAGE(recorded.contains(number), "lost entry ", number);
  }
  const auto requests = static_cast<std::int64_t>(recorded.size());
  CHECK(database.value("SELECT count(*) FROM requests") == requests);
  CHECK(database.value("SELECT sum(calls) FROM usage") == requests);
  CHECK(database.value("SELECT sum(prompt_tokens) FROM usage") == 3 * requests);
  CHECK(database.value("SELECT sum(completion_tokens) FROM usage") == 5 * requests);
  database.query("PRAGMA integrity_check", {}, [](const Row& row) { CHECK(row.text(0) == "ok"); });
}

}  // namespace quern::serve
