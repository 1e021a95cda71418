#include <doctest/doctest.h>

#include <random>
#include <string_view>

#include "serve/running_server.h"
#include "support/sanitized.h"

using namespace std::literals;

namespace quern::serve {
namespace {

const std::vector<std::string> kSeeds{
    http("GET", "/v1/models"),
    http("GET", "/v1/usage?month=2026-11&x=%41"),
    http("POST", "/v1/completions", R"({"model":"story","prompt":"Once","max_tokens":1})"),
    http(
        "POST", "/v1/completions",
        R"({"model":"story","prompt":[1,2,3],"max_tokens":1,"stream":true,"logprobs":2,"n":2,"seed":-1})"),
    http(
        "POST", "/v1/chat/completions",
        R"({"model":"story","messages":[{"role":"user","content":"h\u00e9\ud83d\ude00"}],"stop":["a","b"],)"
        R"("max_tokens":1,"temperature":0.5,"top_p":0.9,"stream_options":null})"),
    http("POST", "/v2/models/story/infer",
         R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[[1,2,3]]}]})"),
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    "1e\r\n{\"model\":\"story\",\"prompt\":\"On\"\r\n10\r\n,\"max_tokens\":1 }\r\n0\r\n\r\n",
    "OPTIONS /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a\r\nConnection: "
    "close\r\n\r\n",
};

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::string mutated() {
    std::string text = kSeeds[below(kSeeds.size())];
    for (std::size_t count = 1 + below(6); count > 0; --count) mutate(text);
    return text;
  }

 private:
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

  void mutate(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t size = 1 + below(8);
    switch (below(7)) {
      case 0:
        text.insert(at, 1, static_cast<char>(below(256)));
        break;
      case 1:
        text.erase(at, size);
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.insert(at, text.substr(below(text.size() + 1), size * 4));
        break;
      case 4:
        text.insert(at, kTokens[below(std::size(kTokens))]);
        break;
      case 5:
        text += kSeeds[below(kSeeds.size())].substr(below(40));
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
    }
  }

  static constexpr std::string_view kTokens[] = {"\r\n",
                                                 "\r\n\r\n",
                                                 "[[[[[[[[",
                                                 "{\"a\":",
                                                 "\"",
                                                 "1e999",
                                                 "-1",
                                                 "null",
                                                 "99999999999999999999",
                                                 "\xff\xfe",
                                                 "\\u0000",
                                                 "\\ud800",
                                                 "Content-Length: 5\r\n",
                                                 "\0x"sv,
                                                 "Transfer-Encoding: chunked\r\n",
                                                 ",",
                                                 "0\r\n\r\n"};

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("10,000 mutated requests get an answer or none, and leave nothing behind") {
  constexpr std::uint32_t kRequests = usually(10'000, 1'000);
  RunningServer server(Config{.limits = {.max_tokens = 2}});
  std::uint32_t answered = 0;
  std::uint32_t refused = 0;
  for (std::uint32_t seed = 0; seed < kRequests; ++seed) {
    const std::string request = Mutator(seed).mutated();
    RawClient client(server.port());
    client.send(request);
    client.half_close();
    const std::string answer = client.read_all();
    CAPTURE(seed);
    CAPTURE(request);
    if (answer.empty()) continue;
    REQUIRE(answer.starts_with("HTTP/1.1 "));
    REQUIRE_MESSAGE(!answer.starts_with("HTTP/1.1 500"), answer);
    ++answered;
    if (answer.starts_with("HTTP/1.1 4")) ++refused;
  }
  CHECK(answered > kRequests * 9 / 10);
  CHECK(refused > kRequests / 2);
  while (server.metric("quern_running_requests{model=\"story\"}") != 0) {
  }
  while (server.metric("quern_connections") != 1) {
  }
  CHECK(server.post("/v1/completions", {{"model", "story"}, {"prompt", "Once"}, {"max_tokens", 1}})
            .status == 200);
}

TEST_CASE("deep JSON, invalid UTF-8 and huge bodies get clear refusals") {
  RunningServer server(Config{.limits = {.max_body_bytes = 1 << 20}});
  const auto status_of = [&](const std::string& body) {
    return server.ask("POST", "/v1/completions", body).status;
  };
  CHECK(status_of(std::string(500'000, '[') + std::string(500'000, ']')) == 400);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  CHECK(status_of(deep) == 400);
  CHECK(status_of("{\"model\":\"story\",\"prompt\":\"\xc3\x28\"}") == 400);
  CHECK(status_of(std::string((1 << 20) + 1, ' ')) == 413);
}

TEST_CASE("what the transport refuses is answered in the form of the API's errors") {
  RunningServer server;
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\nHost: x\n\n");
  const std::string answer = client.read_all();
  CHECK(answer.starts_with("HTTP/1.1 400 "));
  CHECK(answer.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(answer.find("\"error\":{\"code\":null,\"message\":\"") != std::string::npos);
}

TEST_CASE("many slow clients do not keep others waiting") {
  RunningServer server;
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<RawClient>(server.port()));
    slow.back()->send(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
  }
  CHECK(server.get("/healthz").status == 200);
  while (server.metric("quern_connections") != 201) {
  }
}

}  // namespace quern::serve
