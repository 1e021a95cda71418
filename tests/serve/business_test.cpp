#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>

#include "quern/runtime.h"
#include "serve/running_server.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

/// A server with plans, and a key on each.
struct Business {
  Business()
      : config{.ledger = folder.path("usage.db"),
               .plans = {{"free", {.monthly_tokens = 200}},
                         {"narrow", {.tokens_per_minute = 20}},
                         {"slow", {.requests_per_minute = 2, .tokens_per_minute = 1000}},
                         {"credit",
                          {.billing = Billing::prepaid,
                           .prices = {.input_per_million = 1'000'000,
                                      .output_per_million = 2'000'000}}},
                         {"other", {.models = {"elsewhere"}}}}},
        accounts(config),
        server(config) {}

  std::string header(const std::string& key) const {
    return "Authorization: Bearer " + key + "\r\n";
  }
  /// The header of a new account's key.
  std::string key_on(const std::string& plan, std::int64_t credit = 0) {
    return header(accounts.create("account of " + plan, plan, credit).key);
  }
  Answer ask(const std::string& headers, std::int64_t tokens = 5) {
    return server.post(
        "/v1/completions",
        {{"model", "story"}, {"prompt", "Once"}, {"max_tokens", tokens}, {"ignore_eos", true}},
        headers);
  }

  TemporaryFolder folder;
  Config config;
  Accounts accounts;
  RunningServer server;
};

}  // namespace

TEST_CASE("prompts, answers and keys are neither logged nor stored") {
  std::mutex mutex;
  std::string kept;
  configure({.log = [&](LogLevel, std::string_view message) {
    const std::lock_guard lock(mutex);
    kept += message;
  }});
  std::string key;
  std::string answer;
  {
    Business business;
    key = business.accounts.create("acme", "free").key;
    const Answer replied = business.ask(business.header(key), 20);
    REQUIRE(replied.status == 200);
    answer = replied.json()["choices"][0]["text"];
    REQUIRE(answer.size() > 10);
    CHECK(business.ask(business.header(key + "x")).status == 401);
    for (const auto& entry : std::filesystem::directory_iterator(business.folder.path(""))) {
      std::ifstream file(entry.path(), std::ios::binary);
      kept.append(std::istreambuf_iterator<char>(file), {});
    }
  }
  configure({});
  REQUIRE(kept.find("acme") != std::string::npos);  // the ledger was read
  for (const std::string& secret :
       {key, key.substr(key.size() - 20), answer, std::string("Once")}) {
    CHECK(kept.find(secret) == std::string::npos);
  }
}

TEST_CASE("with plans a key is asked for, but not of health and the page") {
  Business business;
  for (const std::string& headers :
       {std::string(), std::string("Authorization: Basic x\r\n"),
        std::string("Authorization: Bearer \r\n"),
        std::string("Authorization: Bearer "
                    "qk_aaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n")}) {
    CAPTURE(headers);
    const Answer answer = business.ask(headers);
    CHECK(answer.status == 401);
    CHECK(answer.has_header("WWW-Authenticate: Bearer"));
    CHECK(answer.json()["error"]["code"] == "invalid_api_key");
  }
  for (const char* path : {"/v1/models", "/v1/usage", "/v2/models/story"}) {
    CHECK_MESSAGE(business.server.get(path).status == 401, path);
  }
  for (const char* path : {"/", "/healthz", "/readyz", "/metrics", "/v2"}) {
    CHECK_MESSAGE(business.server.get(path).status == 200, path);
  }
  CHECK(business.ask(business.key_on("free")).status == 200);
}

TEST_CASE("a revoked key is refused at once") {
  Business business;
  const IssuedKey key = business.accounts.create("acme", "free");
  CHECK(business.ask(business.header(key.key)).status == 200);
  business.accounts.revoke("acme");
  CHECK(business.ask(business.header(key.key)).status == 401);
}

TEST_CASE("a rate is told in headers, and beyond it 429 with a time to come back") {
  Business business;
  const std::string key = business.key_on("slow");
  const Answer first = business.ask(key);
  CHECK(first.status == 200);
  CHECK(first.has_header("x-ratelimit-limit-requests: 2"));
  CHECK(first.has_header("x-ratelimit-remaining-requests: 1"));
  CHECK(first.has_header("x-ratelimit-limit-tokens: 1000"));
  business.ask(key);
  const Answer third = business.ask(key);
  CHECK(third.status == 429);
  CHECK(third.has_header("Retry-After: "));
  CHECK(third.has_header("x-ratelimit-reset-requests: "));
  CHECK(third.json()["error"]["code"] == "rate_limit_exceeded");
}

TEST_CASE("requests that are refused count in the rate, and no prompt is read beyond it") {
  Business business;
  const std::string key = business.key_on("slow");
  const std::string prompt(1 << 20, 'x');
  const Json body{{"model", "story"}, {"prompt", prompt}};
  const Answer first = business.server.post("/v1/completions", body, key);
  CHECK(first.status == 400);
  CHECK(first.json()["error"]["code"] == "context_length_exceeded");
  CHECK(first.json()["error"]["message"].get<std::string>().find("1048576 bytes") !=
        std::string::npos);
  CHECK(business.server.ask("POST", "/v1/completions", "{", key).status == 400);
  CHECK(business.server.ask("POST", "/v1/completions", "{", key).status == 429);
  CHECK(business.server.post("/v1/completions", body, key).status == 429);
  CHECK(business.server.post("/v2/models/x/infer", body, key).status == 429);
  CHECK(business.server.get("/v1/models", key).status == 200);
}

TEST_CASE("a prompt of more tokens than a minute has is refused before they are counted") {
  Business business;
  const std::string key = business.key_on("narrow");
  const Answer answer = business.server.post(
      "/v1/chat/completions",
      {{"model", "story"}, {"messages", {{{"role", "user"}, {"content", std::string(1500, 'x')}}}}},
      key);
  CHECK(answer.status == 429);
  CHECK(answer.json()["error"]["type"] == "tokens");
}

TEST_CASE("a quota and a credit end") {
  Business business;
  const std::string free = business.key_on("free");
  CHECK(business.ask(free, 150).status == 200);
  CHECK(business.ask(free, 150).status == 429);
  const std::string paid =
      business.key_on("credit", 100);  // 1 + 2 * 5 micro-units and a bit a request
  int fine = 0;
  Answer answer = business.ask(paid);
  for (; answer.status == 200 && fine < 100; ++fine) answer = business.ask(paid);
  CHECK(fine >= 5);
  CHECK(fine <= 10);
  CHECK(answer.status == 402);
}

TEST_CASE("a model that the plan lacks is not there") {
  Business business;
  const std::string key = business.key_on("other");
  CHECK(business.ask(key).status == 404);
  CHECK(business.server.get("/v1/models", key).json()["data"].empty());
  CHECK(business.server.get("/v1/models/story", key).status == 404);
}

TEST_CASE("usage shows a key its own, at the prices that applied") {
  Business business;
  const std::string paid = business.key_on("credit", 1'000'000);
  const std::string other = business.key_on("free");
  business.ask(paid, 5);
  business.ask(paid, 7);
  business.ask(other, 9);
  const Json usage = business.server.get("/v1/usage", paid).json();
  CHECK(usage["currency"] == "EUR");
  CHECK(usage["plan"] == "credit");
  REQUIRE(usage["data"].size() == 1);
  const Json& line = usage["data"][0];
  CHECK(line["requests"] == 2);
  CHECK(line["completion_tokens"] == 12);
  const std::int64_t micros = line["prompt_tokens"].get<std::int64_t>() + 24;
  CHECK(line["cost"] == format_amount(micros));
  CHECK(business.server.get("/v1/usage?month=1999-01", paid).json()["data"].empty());
  CHECK(business.server.get("/v1/usage?month=soon", paid).json()["error"]["param"] == "month");
}

TEST_CASE("a request whose client leaves is billed what was generated") {
  Business business;
  const std::string key = business.key_on("credit", 100'000'000);
  RawClient client(business.server.port());
  const Json body{{"model", "story"},
                  {"prompt", {"One", "Two", "Three", "Four", "Five"}},
                  {"n", 16},
                  {"max_tokens", 480},
                  {"ignore_eos", true},
                  {"stream", true}};
  client.send(http("POST", "/v1/completions", body.dump(), key));
  client.read_until("\"text\"");
  client.close();
  Json data;
  while ((data = business.server.get("/v1/usage", key).json()["data"]).empty()) {
  }
  CHECK(data[0]["completion_tokens"] > 0);
  CHECK(data[0]["completion_tokens"] < 5 * 16 * 480);
}

}  // namespace quern::serve
