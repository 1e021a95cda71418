#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "serve/full_disk.h"
#include "serve/running_server.h"
#include "serve/sql/schema.h"
#include "support/error_code.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

/// A server with a ledger in a file.
struct Bookkeeper {
  Answer ask(bool stream) {
    return server.post("/v1/completions", {{"model", "story"},
                                           {"prompt", "Once"},
                                           {"max_tokens", 3},
                                           {"ignore_eos", true},
                                           {"stream", stream}});
  }
  void check_refused() {
    for (const bool stream : {false, true}) {
      const Answer answer = ask(stream);
      CHECK(answer.status == 503);
      CHECK(answer.json()["error"]["code"] == "ledger_unavailable");
      CHECK(answer.has_header("Retry-After: "));
    }
    const Answer ready = server.get("/readyz");
    CHECK(ready.status == 503);
    CHECK(ready.json()["status"] == "ledger_unavailable");
    CHECK(ready.json()["reason"].get<std::string>().find("cannot be written") != std::string::npos);
    CHECK(server.get("/v2/health/ready").status == 503);
    CHECK(server.get("/healthz").status == 200);
  }
  void check_recovered() {
    while (server.get("/readyz").status != 200) {
    }
    CHECK(ask(true).status == 200);
    CHECK(ask(false).status == 200);
  }
  std::int64_t value(std::string_view sql) { return open_ledger(config.ledger).value(sql); }

  TemporaryFolder folder;
  Config config{.ledger = folder.path("usage.db")};
  RunningServer server{config};
};

}  // namespace

TEST_CASE("while another process has the ledger locked, requests get 503, and then no more") {
  Bookkeeper bookkeeper;
  {
    Database other = open_ledger(bookkeeper.config.ledger);
    const Transaction lock(other);
    bookkeeper.check_refused();
  }
  bookkeeper.check_recovered();
  CHECK(bookkeeper.value("SELECT count(*) FROM requests") == 2);
}

TEST_CASE("while the disk is full, requests get 503, and then no more") {
  Bookkeeper bookkeeper;
  {
    const FullDisk full(4096);
    bookkeeper.check_refused();
  }
  bookkeeper.check_recovered();
  CHECK(bookkeeper.value("SELECT count(*) FROM requests") == 2);
}

TEST_CASE("readiness is found out without requests") {
  Bookkeeper bookkeeper;
  Database other = open_ledger(bookkeeper.config.ledger);
  const Transaction lock(other);
  while (bookkeeper.server.get("/readyz").status == 200) {
  }
}

TEST_CASE("a stream breaks off where the ledger cannot be written, and is billed as delivered") {
  Bookkeeper bookkeeper;
  RawClient client(bookkeeper.server.port());
  const Json body{{"model", "story"},
                  {"prompt", "Once"},
                  {"max_tokens", 480},
                  {"ignore_eos", true},
                  {"stream", true}};
  client.send(http("POST", "/v1/completions", body.dump()));
  std::string received = client.read_until("\"text\"");
  {
    const FullDisk full(4096);
    received += client.read_until("\"error\"");
  }
  CHECK(received.find("[DONE]") == std::string::npos);
  bookkeeper.check_recovered();
  CHECK(bookkeeper.value("SELECT count(*) FROM requests") == 3);
  std::int64_t events = 0;
  for (std::size_t at = received.find("\"text\""); at != std::string::npos;
       at = received.find("\"text\"", at + 1)) {
    ++events;
  }
  const std::int64_t billed = bookkeeper.value(
      "SELECT completion_tokens FROM requests WHERE finish_reason = 'interrupted'");
  CHECK(billed >= events);
  CHECK(billed < 480);
}

TEST_CASE("a ledger takes one server at a time, by whatever name, until that one stops") {
  const TemporaryFolder folder;
  const Config config{.ledger = folder.path("usage.db")};
  RunningServer first(config);
  std::string refusal;
  try {
    const Server second(config);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::busy);
    refusal = error.what();
  }
  CHECK(refusal.find("usage.db") != std::string::npos);
  CHECK(refusal.find("process " + std::to_string(getpid())) != std::string::npos);
  CHECK(refusal.find("http://127.0.0.1:" + std::to_string(first.port())) != std::string::npos);
  std::filesystem::create_symlink("usage.db", folder.path("other.db"));
  CHECK(code_of([&] { Server(Config{.ledger = folder.path("other.db")}); }) == ErrorCode::busy);
  first.server().stop();
  RunningServer third(config);
  CHECK(third.get("/readyz").status == 200);
}

TEST_CASE("a child that the process forks leaves the server to it, without waiting") {
  std::optional<RunningServer> running(std::in_place);
  const pid_t child = fork();
  if (child == 0) {
    const bool refused = code_of([&] { running->server().wait(); }) == ErrorCode::invalid_argument;
    running.reset();
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(running->get("/readyz").status == 200);
}

}  // namespace quern::serve
