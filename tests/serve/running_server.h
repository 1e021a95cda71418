#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "quern/error.h"
#include "quern/serve.h"
#include "serve/raw_client.h"

namespace quern::serve {

inline const std::string kModelPath = "examples/models/storyteller-q8_0.gguf";

/// The small model that tells stories, loaded once.
inline const llm::Model& storyteller() {
  static const llm::Model model = llm::Model::load(kModelPath, {.accuracy = Accuracy::exact});
  return model;
}

/// An answer, as a client sees it.
struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  nlohmann::json json() const { return nlohmann::json::parse(body); }
  /// Values of events, without the last, "[DONE]", which must be there.
  std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> result;
    std::string_view rest = body;
    bool done = false;
    while (!rest.empty()) {
      const std::size_t end = rest.find("\n\n");
      REQUIRE(rest.starts_with("data: "));
      REQUIRE(end != std::string_view::npos);
      const std::string_view data = rest.substr(6, end - 6);
      done = data == "[DONE]";
      if (!done) result.push_back(nlohmann::json::parse(data));
      rest.remove_prefix(end + 2);
    }
    CHECK(done);
    return result;
  }
  bool has_header(std::string_view text) const {
    return head.find("\r\n" + std::string(text)) != std::string::npos;
  }
};

/// The bytes of chunks.
inline std::string unchunk(std::string_view body) {
  std::string result;
  for (;;) {
    const std::size_t line = body.find("\r\n");
    if (line == std::string_view::npos) return result + "(broke off)";
    const std::size_t size = std::stoul(std::string(body.substr(0, line)), nullptr, 16);
    if (size == 0) return result;
    result += body.substr(line + 2, size);
    body.remove_prefix(std::min(body.size(), line + 2 + size + 2));
  }
}

inline std::string http(std::string_view method, std::string_view path, std::string_view body = {},
                        std::string_view headers = {}) {
  std::string text(method);
  text.append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\nContent-Length: ");
  text.append(std::to_string(body.size())).append("\r\n").append(headers).append("\r\n");
  return text.append(body);
}

/// A server on a free port of this machine, with the storyteller as "story".
class RunningServer {
 public:
  explicit RunningServer(Config config = {}, const llm::EngineOptions& options = {})
      : server_(on_a_free_port(std::move(config))) {
    server_.add("story", storyteller(), options);
    server_.start();
  }

  Server& server() { return server_; }
  int port() const { return server_.port(); }

  Answer ask(std::string_view method, std::string_view path, std::string_view body = {},
             const std::string& headers = {}) {
    RawClient client(port());
    client.send(http(method, path, body, headers + "Connection: close\r\n"));
    const std::string all = client.read_all();
    const std::size_t end = all.find("\r\n\r\n");
    REQUIRE(end != std::string::npos);
    Answer answer{std::stoi(all.substr(9, 3)), all.substr(0, end + 2), all.substr(end + 4)};
    if (answer.has_header("Transfer-Encoding: chunked")) answer.body = unchunk(answer.body);
    return answer;
  }
  Answer get(std::string_view path, const std::string& headers = {}) {
    return ask("GET", path, {}, headers);
  }
  Answer post(std::string_view path, const nlohmann::json& body, const std::string& headers = {}) {
    return ask("POST", path, body.dump(), headers);
  }

  /// The value of a metric with its labels, as /metrics writes them.
  double metric(const std::string& name) {
    const std::string text = get("/metrics").body;
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

 private:
  static Config on_a_free_port(Config config) {
    config.port = 0;
    config.threads = 1;  // tests run beside each other
    return config;
  }

  Server server_;
};

}  // namespace quern::serve
