#include "serve/ledger.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "serve/fake_clock.h"
#include "serve/full_disk.h"
#include "serve/sql/schema.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

LedgerEntry entry(const std::string& id, std::int64_t tokens = 10) {
  return {.id = id,
          .key = "qk_aaaaaaaaaa",
          .account = 1,
          .model = "m",
          .prompt_tokens = tokens,
          .completion_tokens = 2 * tokens,
          .latency = std::chrono::microseconds(1500),
          .finish_reason = "stop",
          .prices = {150'000, 600'000, 0},
          .finished = FakeClock().now()};
}

std::int64_t count(const std::string& path,
                   std::string_view what = "SELECT count(*) FROM requests") {
  Database database = open_ledger(path);
  return database.value(what);
}

std::string refusal_of(const std::string& path) {
  try {
    open_ledger(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an entry is in the file, whole, when its ticket has been waited for") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  Ledger ledger(path, "EUR", "");
  CHECK(ledger.record(entry("a")).wait());
  Database reader = open_ledger(path);
  int rows = 0;
  reader.query(
      "SELECT r.id, r.key, r.account, r.model, r.prompt_tokens, r.completion_tokens, r.latency_us, "
      "r.finish_reason, r.finished, p.currency, p.input_per_million FROM requests r "
      "JOIN prices p ON p.id = r.price",
      {}, [&](const Row& row) {
        ++rows;
        CHECK(row.text(0) == "a");
        CHECK(row.text(1) == "qk_aaaaaaaaaa");
        CHECK(row.integer(2) == 1);
        CHECK(row.text(3) == "m");
        CHECK(row.integer(4) == 10);
        CHECK(row.integer(5) == 20);
        CHECK(row.integer(6) == 1500);
        CHECK(row.text(7) == "stop");
        CHECK(row.integer(8) == 1795521600000);  // date -ud '2026-11-24 12:00' +%s
        CHECK(row.text(9) == "EUR");
        CHECK(row.integer(10) == 150'000);
      });
  CHECK(rows == 1);
}

TEST_CASE("a ledger's files are its owner's alone, whatever the process would give others") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  const mode_t before = umask(0);
  Ledger ledger(path, "EUR", "");
  CHECK(ledger.record(entry("a")).wait());
  umask(before);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    CAPTURE(suffix);
    struct stat status {};
    REQUIRE(stat((path + suffix).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
}

TEST_CASE("another connection of the process takes no lock from those that there are") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  Database first = open_ledger(path);
  const Transaction writing(first);
  { open_ledger(path); }
  // Whether another process may write: POSIX locks do not stop their owner.
  const pid_t child = fork();
  if (child == 0) {
    int rc = 1;
    try {
      Database other = open_ledger(path);
      other.run_script("PRAGMA busy_timeout = 1");
      Transaction refused(other);
    } catch (const Error&) {
      rc = 0;
    }
    _exit(rc);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("an id is recorded once, whatever comes with it later") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  {
    Ledger ledger(path, "EUR", "");
    CHECK(ledger.record(entry("a", 1)).wait());
    CHECK(!ledger.record(entry("a", 999)).wait());
  }
  Ledger again(path, "EUR", "");
  const Ticket ticket = again.record(entry("a", 999));
  CHECK(!ticket.wait());
  CHECK(!ticket.wait());
  CHECK(count(path) == 1);
  CHECK(count(path, "SELECT sum(prompt_tokens) FROM usage") == 1);
  CHECK(count(path, "SELECT sum(calls) FROM usage") == 1);
}

TEST_CASE("threads share transactions, and each entry is recorded and added up once") {
  constexpr int kThreads = 8;
  constexpr int kEach = 40;
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  {
    Ledger ledger(path, "EUR", "");
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          ledger.record(entry(std::to_string(t) + "." + std::to_string(i))).wait();
          ledger.record(entry("shared " + std::to_string(i))).wait();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(count(path) == kThreads * kEach + kEach);
  CHECK(count(path, "SELECT sum(calls) FROM usage") == kThreads * kEach + kEach);
  CHECK(count(path, "SELECT sum(prompt_tokens) FROM usage") == 10 * (kThreads * kEach + kEach));
  CHECK(count(path, "SELECT count(*) FROM prices") == 1);
}

TEST_CASE("a ledger that ends writes what was recorded") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  std::vector<Ticket> tickets;
  {
    Ledger ledger(path, "EUR", "");
    for (int i = 0; i < 500; ++i) tickets.push_back(ledger.record(entry(std::to_string(i))));
  }
  for (const Ticket& ticket : tickets) CHECK(ticket.wait());
  CHECK(count(path) == 500);
}

TEST_CASE("an entry without an id or with negative numbers is refused") {
  const TemporaryFolder folder;
  Ledger ledger(folder.path("usage.db"), "EUR", "");
  CHECK(code_of([&] { ledger.record(entry("")); }) == ErrorCode::invalid_argument);
  CHECK(code_of([&] { ledger.record(entry("a", -1)); }) == ErrorCode::invalid_argument);
}

TEST_CASE("a ledger in memory is as one in a file, and gone with its last user") {
  {
    Ledger ledger("", "EUR", "test-memory");
    CHECK(ledger.record(entry("a")).wait());
    Database reader = open_ledger("", "test-memory");
    CHECK(reader.value("SELECT count(*) FROM requests") == 1);
    CHECK(!ledger.record(entry("a")).wait());
    CHECK(ledger.record(entry("b")).wait());
    CHECK(reader.value("SELECT sum(calls) FROM usage") == 2);
    CHECK(open_ledger("", "another").value("SELECT count(*) FROM requests") == 0);
  }
  CHECK(open_ledger("", "test-memory").value("SELECT count(*) FROM requests") == 0);
}

TEST_CASE("a ledger in memory counts every entry and remembers the last ones") {
  Ledger ledger("", "EUR", "test-bounded");
  Database reader = open_ledger("", "test-bounded");
  constexpr int kEntries = 5000;
  FakeClock clock;
  for (int i = 0; i < kEntries; ++i) {
    LedgerEntry made = entry(std::to_string(i));
    made.finished = clock.now() + std::chrono::milliseconds(i);
    const Ticket ticket = ledger.record(made);
    if (i % 100 == 99) ticket.wait();
  }
  CHECK(reader.value("SELECT sum(calls) FROM usage") == kEntries);
  CHECK(reader.value("SELECT count(*) FROM requests") <= 600);
  CHECK(!ledger.record(entry(std::to_string(kEntries - 250))).wait());
}

TEST_CASE("a full disk gives an Error, leaves nothing half-written, and is got over") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  Ledger ledger(path, "EUR", "");
  CHECK(ledger.record(entry("before")).wait());
  {
    const FullDisk full(4096);
    const Ticket ticket = ledger.record(entry("lost"));
    CHECK(code_of([&] { ticket.wait(); }) == ErrorCode::unsupported);
    CHECK(code_of([&] { ticket.wait(); }) == ErrorCode::unsupported);
  }
  CHECK(count(path) == 1);
  CHECK(count(path, "SELECT sum(calls) FROM usage") == 1);
  CHECK(ledger.record(entry("lost")).wait());
  CHECK(count(path) == 2);
}

TEST_CASE("a ledger that another process is writing is waited for, and one locked on is an Error") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  Ledger ledger(path, "EUR", "");
  Database other = open_ledger(path);
  Ticket ticket;
  {
    const Transaction lock(other);
    ticket = ledger.record(entry("a"));
    Database third = open_ledger(path);
    third.run_script("PRAGMA busy_timeout = 1");
    CHECK(code_of([&] { Transaction refused(third); }) == ErrorCode::unsupported);
  }
  CHECK(ticket.wait());
}

TEST_CASE("an open request has a row until its entry is recorded") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  constexpr std::string_view kOpen = "SELECT count(*) FROM open_requests";
  Ledger ledger(path, "EUR", "");
  OpenRequest request = ledger.open(entry("a"));
  CHECK(count(path, kOpen) == 1);
  CHECK(count(path) == 0);
  request.deliver(1, FakeClock().now());
  CHECK(ledger.record(entry("a")).wait());
  request.close();
  CHECK(count(path, kOpen) == 0);
  CHECK(count(path) == 1);
  CHECK(count(path, "SELECT completion_tokens FROM requests") == 20);
}

TEST_CASE("a request that ends without an entry is billed what was delivered, once") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  {
    Ledger ledger(path, "EUR", "");
    const OpenRequest unanswered = ledger.open(entry("nothing"));
    OpenRequest request = ledger.open(entry("a"));
    for (int tokens = 1; tokens <= 9; ++tokens) request.deliver(tokens, FakeClock().now());
  }
  CHECK(count(path, "SELECT count(*) FROM open_requests") == 0);
  CHECK(count(path) == 1);
  CHECK(count(path,
              "SELECT completion_tokens FROM requests WHERE id = 'a' "
              "AND finish_reason = 'interrupted' AND prompt_tokens = 10") == 9);
  Ledger again(path, "EUR", "");
  CHECK(!again.record(entry("a")).wait());
  CHECK(count(path, "SELECT sum(completion_tokens) FROM usage") == 9);
}

TEST_CASE("requests that a killed process left open are billed at least what was delivered") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  Ledger killed(path, "EUR", "");
  const OpenRequest unanswered = killed.open(entry("nothing"));
  OpenRequest begun = killed.open(entry("begun"));  // 20 tokens at most
  begun.deliver(3, FakeClock().now());
  OpenRequest almost = killed.open(entry("almost"));
  almost.deliver(18, FakeClock().now());
  Ledger ledger(path, "EUR", "");
  ledger.settle_open_requests();
  CHECK(count(path, "SELECT count(*) FROM open_requests") == 0);
  CHECK(count(path) == 2);
  CHECK(count(path, "SELECT completion_tokens FROM requests WHERE id = 'begun'") == 10);
  CHECK(count(path, "SELECT completion_tokens FROM requests WHERE id = 'almost'") == 20);
  ledger.settle_open_requests();
  CHECK(count(path) == 2);
  CHECK(count(path, "SELECT sum(calls) FROM usage") == 2);
}

TEST_CASE("a ledger that cannot be written says why, takes no request, and is tried again") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  Ledger ledger(path, "EUR", "");
  OpenRequest running = ledger.open(entry("running"));
  running.deliver(1, FakeClock().now());
  CHECK(ledger.failure().empty());
  {
    const FullDisk full(4096);
    CHECK(code_of([&] { ledger.open(entry("a")); }) == ErrorCode::unsupported);
    CHECK(ledger.failure().find("cannot be written") != std::string::npos);
    CHECK(code_of([&] { running.deliver(9, FakeClock().now()); }) == ErrorCode::unsupported);
    running = {};
  }
  while (!ledger.failure().empty()) std::this_thread::yield();
  CHECK(ledger.record(entry("b")).wait());
  CHECK(count(path, "SELECT completion_tokens FROM requests WHERE id = 'running'") == 1);
  CHECK(count(path) == 2);
}

TEST_CASE("what is no ledger is refused and left as it was") {
  const TemporaryFolder folder;
  const std::string text = folder.write("notes.txt", std::string(5000, 'x'));
  CHECK(code_of([&] { open_ledger(text); }) == ErrorCode::corrupt_file);
  CHECK(refusal_of(text).find("notes.txt") != std::string::npos);
  std::ifstream file(text);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == std::string(5000, 'x'));

  const std::string foreign = folder.path("photos.db");
  Database(foreign).run_script("CREATE TABLE photos (name TEXT)");
  CHECK(code_of([&] { open_ledger(foreign); }) == ErrorCode::corrupt_file);
  CHECK(refusal_of(foreign).find("of another program") != std::string::npos);
  CHECK(Database(foreign).value("SELECT count(*) FROM sqlite_master") == 1);

  CHECK(code_of([&] { open_ledger(folder.path("none/usage.db")); }) == ErrorCode::not_found);
}

TEST_CASE("a damaged ledger gives corrupt_file, not wrong numbers") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  {
    Ledger ledger(path, "EUR", "");
    std::vector<Ticket> tickets;
    for (int i = 0; i < 2000; ++i) tickets.push_back(ledger.record(entry(std::to_string(i))));
    for (const Ticket& ticket : tickets) ticket.wait();
  }
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    const std::string garbage(16 * 4096, '\x5a');
    file.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
  }
  CHECK(code_of([&] {
          Ledger ledger(path, "EUR", "");
          ledger.record(entry("a")).wait();
        }) == ErrorCode::corrupt_file);
}

TEST_CASE("a ledger of a later version is refused, and one of an earlier is brought up to date") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  const char* steps[] = {"CREATE TABLE a (x INTEGER)", "INSERT INTO a VALUES (7)",
                         "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5"};
  Database database(path);
  migrate(database, std::span(steps).first(1));
  CHECK(database.value("SELECT count(*) FROM a") == 0);
  migrate(database, steps);
  CHECK(database.value("SELECT x + y FROM a") == 12);
  migrate(database, steps);
  CHECK(database.value("SELECT count(*) FROM a") == 1);
  CHECK(database.value("PRAGMA user_version") == 3);
  CHECK(code_of([&] { migrate(database, std::span(steps).first(2)); }) == ErrorCode::unsupported);
}

TEST_CASE("a migration that fails leaves the version before it") {
  const TemporaryFolder folder;
  const char* steps[] = {"CREATE TABLE a (x INTEGER)", "CREATE TABLE b (x INTEGER); nonsense"};
  Database database(folder.path("usage.db"));
  migrate(database, std::span(steps).first(1));
  CHECK_THROWS_AS(migrate(database, steps), Error);
  CHECK(database.value("PRAGMA user_version") == 1);
  CHECK(database.value("SELECT count(*) FROM sqlite_master WHERE name = 'b'") == 0);
}

TEST_CASE("a ledger holds amounts in one currency") {
  const TemporaryFolder folder;
  const std::string path = folder.path("usage.db");
  {
    Ledger ledger(path, "EUR", "");
    ledger.record(entry("a")).wait();
  }
  CHECK(code_of([&] { Ledger(path, "USD", ""); }) == ErrorCode::invalid_argument);
}

}  // namespace quern::serve
