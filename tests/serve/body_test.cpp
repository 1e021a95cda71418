#ifdef QUERN_PROGRAM
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "quern/serve/accounts.h"
#include "serve/running_server.h"
#include "serve/server_process.h"
#include "support/sanitized.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kBody = 8 << 20;

/// A configuration with a plan, and a key on it.
struct Keyed {
  Keyed() {
    config.ledger = folder.path("usage.db");
    config.plans["trial"] = {};
    key = Accounts(config).create("acme", "trial").key;
  }
  TemporaryFolder folder;
  Config config;
  std::string key;
};

/// A request's head that announces a body.
std::string announced(std::int64_t size, const std::string& headers = {}) {
  return "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
         std::to_string(size) + "\r\n" + headers + "\r\n";
}

/// A number of /proc/PID/status, in bytes: "VmHWM", "VmRSS".
[[maybe_unused]] std::int64_t memory_of(pid_t process, const std::string& what) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what + ":")) return std::stoll(line.substr(what.size() + 1)) * 1024;
  }
  return -1;
}

}  // namespace

TEST_CASE("the key is looked at before the body comes") {
  Keyed keyed;
  RunningServer server(keyed.config);
  RawClient client(server.port());
  client.send(announced(kBody));
  const std::string answer = client.read_response();
  CHECK(answer.starts_with("HTTP/1.1 401 "));
  CHECK(answer.find("Connection: close") != std::string::npos);
}

TEST_CASE("the word before a key may be written in any case, with spaces after it") {
  Keyed keyed;
  RunningServer server(keyed.config);
  for (const char* word : {"Bearer ", "bearer ", "BEARER ", "bEaReR   "}) {
    CAPTURE(word);
    CHECK(server.get("/v1/models", "Authorization: " + (word + keyed.key) + "\r\n").status == 200);
  }
  for (const std::string& wrong : {"Bearer" + keyed.key, "Basic " + keyed.key, keyed.key,
                                   std::string("Bearer "), std::string("Bearer")}) {
    CAPTURE(wrong);
    CHECK(server.get("/v1/models", "Authorization: " + wrong + "\r\n").status == 401);
  }
}

TEST_CASE("a body that is not plain is refused by its encoding") {
  RunningServer server;
  for (const char* encoding : {"gzip", "deflate", "br", "GZIP"}) {
    CAPTURE(encoding);
    RawClient client(server.port());
    client.send(announced(kBody, std::string("Content-Encoding: ") + encoding + "\r\n"));
    const std::string answer = client.read_response();
    CHECK(answer.starts_with("HTTP/1.1 415 "));
    CHECK(answer.find("Accept-Encoding: identity") != std::string::npos);
    CHECK(answer.find("send it plain") != std::string::npos);
  }
  CHECK(server
            .ask("POST", "/v1/completions", R"({"model":"story","prompt":"A","max_tokens":1})",
                 "Content-Encoding: identity\r\n")
            .status == 200);
}

TEST_CASE("bodies together have a bound, which is free again when they are read") {
  RunningServer server(Config{.limits = {.max_body_bytes = 100'000, .max_bodies_bytes = 250'000}});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(announced(100'000) + std::string(99'999, ' '));
  }
  while (server.get("/metrics").body.find("\nquern_body_bytes 199998\n") == std::string::npos) {
    std::this_thread::yield();
  }
  const auto answer_of = [&](const std::string& body) {
    RawClient client(server.port());
    client.send(announced(static_cast<std::int64_t>(body.size())) + body);
    return client.read_response();
  };
  const std::string refused = answer_of(std::string(100'000, ' '));
  CHECK(refused.starts_with("HTTP/1.1 503 "));
  CHECK(refused.find("Retry-After: 1") != std::string::npos);
  CHECK(refused.find("\"overloaded\"") != std::string::npos);
  CHECK(server.get("/healthz").status == 200);
  for (const auto& client : clients) {
    client->send(" ");
    CHECK(client->read_response().starts_with("HTTP/1.1 400 "));
  }
  CHECK(answer_of(std::string(100'000, ' ')).starts_with("HTTP/1.1 400 "));
}

#if !defined(QUERN_TEST_ASAN) && !defined(QUERN_TEST_TSAN)
TEST_CASE("a body of 8 MB takes at most four times its size, and SIGTERM does not wait for it") {
  const TemporaryFolder folder;
  const std::string config = folder.write(
      "quern.json",
      Json{{"threads", 1},
           {"models", {{{"name", "story"}, {"path", std::filesystem::absolute(kModelPath)}}}}}
          .dump());
  for (const char* pattern : {"{},", "[],", "0,", "\"\",", "{\"a\":[{}]},"}) {
    CAPTURE(pattern);
    ServerProcess server(config);
    const auto post = [&](const std::string& body) {
      RawClient client(server.port());
      client.send(http("POST", "/v1/completions", body));
      return client.read_response();
    };
    const std::string ending = R"(0],"model":"story","prompt":"A","max_tokens":1})";
    REQUIRE(post(R"({"user":[)" + ending).starts_with("HTTP/1.1 200 "));
    const std::int64_t before = memory_of(server.id(), "VmRSS");
    std::string body = R"({"user":[)";
    while (body.size() < kBody - ending.size() - 16) body += pattern;
    const auto begun = std::chrono::steady_clock::now();
    CHECK(post(body + ending).starts_with("HTTP/1.1 200 "));
    CHECK(memory_of(server.id(), "VmHWM") - before < 4 * kBody);
    server.send(SIGTERM);
    CHECK(server.wait() == 0);
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds{20});
  }
}
#endif

}  // namespace quern::serve
#endif
