#include "quern/serve/client.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <future>
#include <thread>

#include "serve/http/socket.h"
#include "serve/http/transport.h"
#include "serve/running_server.h"
#include "support/error_code.h"

namespace quern::serve {
namespace {

using std::chrono::milliseconds;

const std::vector<ChatMessage> kMessages{{"user", "Tell me a story."}};

Client client_of(RunningServer& server) {
  return Client({.url = "http://127.0.0.1:" + std::to_string(server.port()), .max_retries = 0});
}

ClientOptions impatient(int port) {
  return {.url = "http://127.0.0.1:" + std::to_string(port),
          .max_retries = 3,
          .first_delay = milliseconds{1}};
}

const std::string kAnswer =
    R"({"choices":[{"message":{"content":"fine"},"finish_reason":"stop"}],"usage":{}})";

ErrorCode code_of_models(Client& client) {
  return code_of([&] { client.models(); });
}

/// A socket that listens, but whose program takes no connection: the system makes as many as fit
/// its queue, and leaves others without an answer.
Descriptor deaf_listener(int queue) {
  Descriptor listener(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), queue) == 0);
  return listener;
}

void check_cancel_while_opening(const std::string& scheme, int port) {
  CAPTURE(scheme);
  Client client({.url = fmt::format("{}://127.0.0.1:{}", scheme, port),
                 .connect_timeout = std::chrono::seconds{10}});
  for (int request = 0; request < 2; ++request) {
    auto code = std::async(std::launch::async, [&] { return code_of_models(client); });
    CHECK(code.wait_for(milliseconds{100}) == std::future_status::timeout);
    const auto start = std::chrono::steady_clock::now();
    client.cancel();
    CHECK(code.get() == ErrorCode::cancelled);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{1});
  }
}

}  // namespace

TEST_CASE("a client gets what the server generates, streamed or not") {
  RunningServer server;
  Client client = client_of(server);
  CHECK(client.models() == std::vector<std::string>{"story"});
  const llm::GenerateOptions options{.max_tokens = 20, .temperature = 0};
  const ChatReply whole = client.chat("story", kMessages, options);
  CHECK(whole.finish_reason == "length");
  CHECK(whole.usage.completion_tokens == 20);
  std::string text;
  const ChatReply streamed = client.chat("story", kMessages, options, [&](std::string_view piece) {
    text += piece;
    return Flow::keep_going;
  });
  CHECK(streamed.text == whole.text);
  CHECK(text == whole.text);
  CHECK(streamed.usage.completion_tokens == 20);
  const UsageReport usage = client.usage();
  REQUIRE(usage.days.size() == 1);
  CHECK(usage.days[0].completion_tokens == 40);
  CHECK(usage.days[0].model == "story");
}

TEST_CASE("a callback stops an answer") {
  RunningServer server;
  Client client = client_of(server);
  const ChatReply reply = client.chat("story", kMessages, {.max_tokens = 400},
                                      [](std::string_view) { return Flow::stop; });
  CHECK(reply.finish_reason == "cancelled");
  CHECK_FALSE(reply.text.empty());
  CHECK(client.models().size() == 1);
}

TEST_CASE("what a callback throws comes through") {
  RunningServer server;
  Client client = client_of(server);
  const auto ask = [&] {
    client.chat("story", kMessages, {},
                [](std::string_view) -> Flow { throw std::runtime_error("mine"); });
  };
  CHECK_THROWS_WITH(ask(), "mine");
}

TEST_CASE("a client runs an ONNX model on tensors") {
  RunningServer server;
  server.server().add("a model/100%?", onnx::Model::load("tests/data/serve/affine.onnx"));
  Client client = client_of(server);
  const Tensor x = Tensor::from({1.f, 0.f, 0.f, 0.f, 1.f, NAN}, {2, 3});
  const onnx::Values outputs = client.infer("a model/100%?", {{"x", x}});
  REQUIRE(outputs.size() == 2);
  const Tensor y = outputs.at("y");
  REQUIRE(y.shape() == Shape{2, 2});
  CHECK(y.at<float>({0, 0}) == 1.5f);
  CHECK(y.at<float>({0, 1}) == 1.5f);
  CHECK(std::isnan(y.at<float>({1, 0})));
  CHECK_THROWS_WITH_AS(client.infer("a model/100%?", {{"z", x}}), doctest::Contains("HTTP 400"),
                       Error);
  CHECK(code_of([&] { client.infer("other", {{"x", x}}); }) == ErrorCode::not_found);
  CHECK(code_of([&] {
          client.infer("a model/100%?", {{"x", onnx::Value()}});
        }) == ErrorCode::invalid_argument);
}

TEST_CASE("the server's refusals are errors that say what it said") {
  RunningServer server;
  Client client = client_of(server);
  CHECK_THROWS_WITH_AS(client.chat("other", kMessages),
                       doctest::Contains("HTTP 404: model: \"other\""), Error);
  CHECK_THROWS_WITH_AS(client.chat("story", kMessages, {.temperature = 9}),
                       doctest::Contains("temperature"), Error);
  CHECK_THROWS_AS(client.usage("yesterday"), Error);
}

TEST_CASE("429 and 5xx are tried again, other refusals are not") {
  std::atomic<int> asked{0};
  std::atomic<int> status{503};
  Transport server({}, [&](const Request&, Reply& reply) {
    if (++asked < 3) return reply.send(status, "application/json", R"({"error":{"message":"no"}})");
    reply.send(200, "application/json", kAnswer);
  });
  server.start();
  Client client(impatient(server.port()));
  CHECK(client.chat("m", kMessages).text == "fine");
  CHECK(asked == 3);
  asked = 0;
  status = 429;
  CHECK(client.chat("m", kMessages).text == "fine");
  asked = 0;
  status = 400;
  CHECK_THROWS_AS(client.chat("m", kMessages), Error);
  CHECK(asked == 1);
  asked = -100;
  status = 503;
  CHECK(code_of_models(client) == ErrorCode::busy);
  CHECK(asked == -96);
}

TEST_CASE("a server that cannot be reached is an error after retries") {
  int port = 0;
  {
    Transport closed({}, [](const Request&, Reply&) {});
    port = closed.port();
  }
  Client client(impatient(port));
  CHECK(code_of_models(client) == ErrorCode::internal);
}

TEST_CASE("cancel ends a request that waits, and a delay before a retry") {
  std::promise<void> entered;
  std::atomic<bool> answer_busy{false};
  Transport server({}, [&](const Request&, Reply& reply) {
    if (answer_busy) {
      reply.set_header("Retry-After", "60");
      reply.send(429, "application/json", "{}");
    }
    entered.set_value();
    while (!answer_busy && !reply.gone()) std::this_thread::yield();
  });
  server.start();
  Client client(impatient(server.port()));
  for (const bool busy : {false, true}) {
    answer_busy = busy;
    entered = {};
    auto code = std::async(std::launch::async, [&] { return code_of_models(client); });
    entered.get_future().wait();
    while (code.wait_for(milliseconds{0}) != std::future_status::ready) client.cancel();
    CHECK(code.get() == ErrorCode::cancelled);
  }
}

TEST_CASE("cancel ends a request that is still connecting") {
  const Descriptor listener = deaf_listener(0);
  const RawClient waits(port_of(listener));
  check_cancel_while_opening("http", port_of(listener));
  check_cancel_while_opening("https", port_of(listener));
}

TEST_CASE("cancel ends a request whose TLS handshake gets no answer") {
  const Descriptor listener = deaf_listener(8);
  check_cancel_while_opening("https", port_of(listener));
}

TEST_CASE("a server that says nothing is given up after the time for reading") {
  Transport server({}, [](const Request&, Reply& reply) {
    while (!reply.gone()) std::this_thread::yield();
  });
  server.start();
  ClientOptions options = impatient(server.port());
  options.read_timeout = milliseconds{50};
  options.max_retries = 0;
  Client client(options);
  CHECK(code_of_models(client) == ErrorCode::internal);
}

TEST_CASE("answers of another shape are the server's failure") {
  std::string body;
  Transport server(
      {}, [&](const Request&, Reply& reply) { reply.send(200, "application/json", body); });
  server.start();
  Client client(impatient(server.port()));
  for (const char* text : {"", "[]", "{}", "{\"choices\":5}", "{\"choices\":[]}", "nonsense"}) {
    CAPTURE(text);
    body = text;
    CHECK_THROWS_AS(client.chat("m", kMessages), Error);
  }
  for (const char* text : {"{}", R"({"outputs":[5]})", R"({"outputs":[{"name":"y"}]})"}) {
    CAPTURE(text);
    body = text;
    CHECK(code_of([&] { client.infer("m", {}); }) == ErrorCode::internal);
  }
}

TEST_CASE("TLS is spoken with a certificate that the client trusts, and no other") {
  RunningServer server(Config{.tls = {.certificate = "tests/data/serve/certificate.pem",
                                      .private_key = "tests/data/serve/private_key.pem"}});
  ClientOptions options{.url = "https://localhost:" + std::to_string(server.port()),
                        .ca_certificate = "tests/data/serve/certificate.pem",
                        .max_retries = 0};
  Client trusting(options);
  CHECK(trusting.models().size() == 1);
  CHECK(trusting.chat("story", kMessages, {.max_tokens = 5}).usage.completion_tokens == 5);
  options.ca_certificate.clear();
  Client wary(options);
  CHECK(code_of_models(wary) == ErrorCode::internal);
}

TEST_CASE("a malformed url is refused") { CHECK_THROWS_AS(Client({.url = "ftp://x"}), Error); }

}  // namespace quern::serve
