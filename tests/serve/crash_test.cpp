#ifdef QUERN_PROGRAM
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cli/program.h"
#include "quern/serve/accounts.h"
#include "serve/running_server.h"
#include "serve/server_process.h"
#include "serve/sql/schema.h"
#include "support/sanitized.h"
#include "support/temporary_folder.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

constexpr int kKills = kSanitized ? 10 : 200;
constexpr int kRounds = kSanitized ? 10 : 200;
constexpr int kClients = 4;
constexpr int kTokens = 3;

/// A configuration with a ledger and a plan, and the header of a key on it.
struct Shop {
  TemporaryFolder folder;
  std::string config = folder.write(
      "quern.json",
      Json{{"ledger", "usage.db"},
           {"threads", 1},
           {"models", {{{"name", "story"}, {"path", std::filesystem::absolute(kModelPath)}}}},
           {"plans",
            {{"pro", {{"billing", "pay_as_you_go"}, {"prices", {{"per_thousand_calls", 1}}}}},
             {"voucher", {{"billing", "prepaid"}, {"prices", {{"per_thousand_calls", 1}}}}}}}}
          .dump());
  std::string key =
      "Authorization: Bearer " + Accounts(Config::load(config)).create("acme", "pro").key + "\r\n";

  std::string request(bool stream, int tokens = kTokens) const {
    const Json body{{"model", "story"},
                    {"prompt", "Once upon a time"},
                    {"max_tokens", tokens},
                    {"ignore_eos", true},
                    {"stream", stream}};
    return http("POST", "/v1/completions", body.dump(), key);
  }
};

/// The id of a request whose answer came to its end; empty where it broke off.
std::string read_finished(RawClient& client, bool stream, std::string& answer) {
  answer = stream ? client.read_until("[DONE]\n\n\r\n0\r\n\r\n") : client.read_response();
  const bool whole = answer.starts_with("HTTP/1.1 200") &&
                     answer.ends_with(stream ? "[DONE]\n\n\r\n0\r\n\r\n" : "}");
  if (!whole) return {};
  const std::size_t at = answer.find("X-Request-Id: ") + 14;
  return answer.substr(at, answer.find("\r\n", at) - at);
}

/// Asks on connections that are kept, counting the answers, until `work` is done, and then kills
/// the server. Gives the ids of the requests whose answers came to their end.
std::set<std::string> ask_until_killed(ServerProcess& server, const Shop& shop,
                                       const std::function<void(std::atomic<unsigned>&)>& work) {
  std::array<std::vector<std::string>, kClients> finished;
  std::atomic<unsigned> count{0};
  std::atomic<bool> killed{false};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kClients; ++i) {
    auto client = std::make_shared<RawClient>(server.port());
    threads.emplace_back([&, i, client] {
      const bool stream = i % 2 == 0;
      std::string answer;
      while (client->send(shop.request(stream))) {
        std::string id = read_finished(*client, stream, answer);
        if (id.empty()) break;
        finished[i].push_back(std::move(id));
        ++count;
        count.notify_all();
      }
      CHECK_MESSAGE(killed, "an answer broke off: ", answer);
      count += 1000;  // for whoever waits for more
      count.notify_all();
    });
  }
  work(count);
  killed = true;
  server.send(SIGKILL);
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const auto& ids : finished) all.insert(ids.begin(), ids.end());
  return all;
}

/// Each of them has one row, all rows add up, and the file is sound.
void check_ledger(const Shop& shop, const std::set<std::string>& finished) {
  Database database = open_ledger(shop.folder.path("usage.db"));
  std::set<std::string> recorded;
  database.query("SELECT id FROM requests", {},
                 [&](const Row& row) { recorded.insert(std::string(row.text(0))); });
  for (const std::string& id : finished) CHECK_MESSAGE(recorded.contains(id), "lost ", id);
  const auto requests = static_cast<std::int64_t>(recorded.size());
  CHECK(database.value("SELECT count(*) FROM requests") == requests);
  CHECK(database.value("SELECT sum(calls) FROM usage") == requests);
  CHECK(database.value("SELECT sum(completion_tokens) FROM usage") ==
        database.value("SELECT sum(completion_tokens) FROM requests"));
  CHECK(database.value("SELECT sum(prompt_tokens) FROM usage") ==
        database.value("SELECT sum(prompt_tokens) FROM requests"));
  CHECK(database.value("SELECT min(completion_tokens) FROM requests WHERE finish_reason = "
                       "'length'") == kTokens);
  database.query("PRAGMA integrity_check", {}, [](const Row& row) { CHECK(row.text(0) == "ok"); });
}

/// Whether a server takes a key.
bool works(const ServerProcess& server, const std::string& key) {
  RawClient client(server.port());
  client.send(http("GET", "/v1/models", {}, "Authorization: Bearer " + key + "\r\n"));
  return client.read_response().starts_with("HTTP/1.1 200");
}

/// What a run of `quern keys` or `quern usage` prints.
std::string print(const Shop& shop, const std::string& arguments) {
  const Run result = run(arguments + " --config " + shop.config);
  CHECK_MESSAGE(result.exit_code == 0, arguments, ": ", result.err);
  return result.out.substr(0, result.out.find('\n'));
}

/// Every subcommand once: opens an account, and leaves it a key that works and one that does not.
std::pair<std::string, std::string> keep_house(const Shop& shop, const std::string& name) {
  const std::string first = print(shop, "keys create --plan voucher --credit 1 --name " + name);
  const std::string second = print(shop, "keys rotate --grace 1h " + name);
  print(shop, "keys credit " + name + " 2.5");
  print(shop, "keys revoke " + first.substr(0, first.rfind('_')));
  print(shop, "keys list");
  print(shop, "usage");
  return {second, first};
}

}  // namespace

TEST_CASE("a server killed 200 times under load loses no finished request and bills none twice") {
  const Shop shop;
  std::set<std::string> finished;
  std::mt19937 random(7);
  for (int i = 0; i < kKills; ++i) {
    ServerProcess server(shop.config);
    std::atomic<bool> killed{false};
    std::thread beside([&] {
      while (!killed) print(shop, "keys list");
    });
    finished.merge(ask_until_killed(server, shop, [&](std::atomic<unsigned>& count) {
      const unsigned answers = random() % 20;
      for (unsigned seen = count; seen < answers; seen = count) count.wait(seen);
    }));
    killed = true;
    beside.join();
  }
  REQUIRE(finished.size() > kKills * 5);
  check_ledger(shop, finished);
}

TEST_CASE("keys and usage run beside a server under load, and a kill costs neither rows nor keys") {
  const Shop shop;
  std::array<std::vector<std::pair<std::string, std::string>>, 2> keys;
  std::set<std::string> finished;
  {
    ServerProcess server(shop.config);
    finished = ask_until_killed(server, shop, [&](std::atomic<unsigned>&) {
      std::vector<std::thread> clerks;
      for (std::size_t clerk = 0; clerk < keys.size(); ++clerk) {
        clerks.emplace_back([&, clerk] {
          for (int i = 0; i < kRounds / static_cast<int>(keys.size()); ++i) {
            keys[clerk].push_back(keep_house(shop, fmt::format("a{}.{}", clerk, i)));
            CHECK(works(server, keys[clerk].back().first));
            CHECK_FALSE(works(server, keys[clerk].back().second));
          }
        });
      }
      for (std::thread& thread : clerks) thread.join();
    });
  }
  REQUIRE(finished.size() > kRounds);
  check_ledger(shop, finished);
  const ServerProcess again(shop.config);
  for (const auto& of_clerk : keys) {
    CHECK(std::ranges::all_of(of_clerk, [&](const auto& pair) {
      return works(again, pair.first) && !works(again, pair.second);
    }));
  }
}

TEST_CASE("a stream that a kill broke off is billed once, no less than what was delivered") {
  const Shop shop;
  std::string received;
  {
    ServerProcess server(shop.config);
    RawClient client(server.port());
    REQUIRE(client.send(shop.request(true, 400)));
    for (int i = 0; i < 20; ++i) received += client.read_until("data: ");
    server.send(SIGKILL);
    received += client.read_all();
  }
  std::int64_t delivered = 0;
  for (std::size_t at = received.find("\"text\""); at != std::string::npos;
       at = received.find("\"text\"", at + 1)) {
    ++delivered;
  }
  REQUIRE(delivered >= 19);
  for (int start = 0; start < 2; ++start) {
    const ServerProcess again(shop.config);
    Database database = open_ledger(shop.folder.path("usage.db"));
    CHECK(database.value("SELECT count(*) FROM requests") == 1);
    CHECK(database.value("SELECT count(*) FROM open_requests") == 0);
    const std::int64_t billed = database.value(
        "SELECT completion_tokens FROM requests WHERE finish_reason = 'interrupted'");
    CHECK(billed >= delivered);
    CHECK(billed < 400);
    CHECK(database.value("SELECT sum(completion_tokens) FROM usage") == billed);
  }
}

TEST_CASE("a second server on a ledger refuses to start, naming the first, and not after a kill") {
  const Shop shop;
  ServerProcess first(shop.config);
  const Run second = run("serve --port 0 --config " + shop.config);
  CHECK(second.exit_code != 0);
  CHECK(second.err.find(fmt::format("process {} at http://127.0.0.1:{}", first.id(),
                                    first.port())) != std::string::npos);
  CHECK(run("keys list --config " + shop.config).exit_code == 0);
  first.send(SIGKILL);
  first.wait();
  const ServerProcess third(shop.config);
  CHECK(third.port() > 0);
}

TEST_CASE("SIGTERM lets answers end, takes no more requests, and bills what was answered") {
  const Shop shop;
  ServerProcess server(shop.config);
  RawClient idle(server.port());
  RawClient client(server.port());
  REQUIRE(client.send(shop.request(true, 200)));
  client.read_until("data: ");
  server.send(SIGTERM);
  CHECK(server.read_line().starts_with("quern ends"));
  CHECK(idle.read_all().empty());
  CHECK(client.read_all().ends_with("[DONE]\n\n\r\n0\r\n\r\n"));
  CHECK(server.wait() == 0);
  Database database = open_ledger(shop.folder.path("usage.db"));
  CHECK(database.value("SELECT completion_tokens FROM requests") == 200);
}

}  // namespace quern::serve
#endif
