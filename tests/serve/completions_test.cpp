#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "serve/running_server.h"
#include "support/sanitized.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

Json completion(const Json& more = {}) {
  Json body{
      {"model", "story"}, {"prompt", "Once upon a time"}, {"max_tokens", 24}, {"temperature", 0}};
  if (!more.is_null()) body.update(more);
  return body;
}

Json chat(const Json& more = {}) {
  Json body{{"model", "story"},
            {"messages", {{{"role", "user"}, {"content", "Tell me a story."}}}},
            {"max_tokens", 24},
            {"temperature", 0}};
  if (!more.is_null()) body.update(more);
  return body;
}

/// Answers that take seconds.
Json long_work(const Json& more = {}) {
  Json body = completion({{"prompt", {"One", "Two", "Three", "Four", "Five", "Six", "Seven"}},
                          {"n", 16},
                          {"max_tokens", 480},
                          {"ignore_eos", true}});
  if (!more.is_null()) body.update(more);
  return body;
}

constexpr std::chrono::milliseconds kFreed{kSanitized ? 10'000 : 200};

std::string expected_text(const llm::GenerateOptions& options) {
  return storyteller().generate("Once upon a time", options).text;
}

llm::GenerateOptions greedy(std::int64_t tokens) {
  return {.max_tokens = tokens, .temperature = 0, .top_k = 0, .top_p = 1, .min_p = 0};
}

}  // namespace

TEST_CASE("a completion is the model's own text, with its usage") {
  RunningServer server;
  const Answer answer = server.post("/v1/completions", completion());
  REQUIRE(answer.status == 200);
  CHECK(answer.has_header("X-Request-Id: req_"));
  const Json json = answer.json();
  CHECK(json["object"] == "text_completion");
  CHECK(json["id"].get<std::string>().starts_with("cmpl-"));
  CHECK(json["model"] == "story");
  CHECK(json["choices"][0]["text"] == expected_text(greedy(24)));
  CHECK(json["choices"][0]["finish_reason"] == "length");
  CHECK(json["usage"]["completion_tokens"] == 24);
  CHECK(json["usage"]["prompt_tokens"] ==
        storyteller().tokenizer().encode("Once upon a time").size());
}

TEST_CASE("what is streamed is what is not streamed") {
  RunningServer server;
  const std::string whole =
      server.post("/v1/chat/completions", chat()).json()["choices"][0]["message"]["content"];
  const Answer streamed =
      server.post("/v1/chat/completions",
                  chat({{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  CHECK(streamed.has_header("Content-Type: text/event-stream"));
  std::string text;
  const auto events = streamed.events();
  REQUIRE(events.size() > 4);
  CHECK(events.front()["choices"][0]["delta"]["role"] == "assistant");
  for (const Json& event : events) {
    CHECK(event["object"] == "chat.completion.chunk");
    CHECK(event["id"] == events.front()["id"]);
    CHECK(event.contains("usage"));
    if (!event["choices"].empty()) text += event["choices"][0]["delta"].value("content", "");
  }
  CHECK(text == whole);
  CHECK_FALSE(text.empty());
  CHECK(events[events.size() - 2]["choices"][0]["finish_reason"] == "length");
  CHECK(events.back()["choices"].empty());
  CHECK(events.back()["usage"]["completion_tokens"] == 24);
}

TEST_CASE("a stream without include_usage has no usage") {
  RunningServer server;
  const Answer answer = server.post("/v1/completions", completion({{"stream", true}}));
  std::string text;
  for (const Json& event : answer.events()) {
    CHECK_FALSE(event.contains("usage"));
    text += event["choices"][0]["text"];
  }
  CHECK(text == expected_text(greedy(24)));
}

TEST_CASE("equal seeds give equal texts, and each of n choices its own") {
  RunningServer server;
  const Json body = completion({{"temperature", 1}, {"seed", 7}, {"n", 3}});
  const Json first = server.post("/v1/completions", body).json();
  const Json second = server.post("/v1/completions", body).json();
  CHECK(first["choices"] == second["choices"]);
  REQUIRE(first["choices"].size() == 3);
  CHECK(first["choices"][1]["index"] == 1);
  CHECK(first["choices"][0]["text"] != first["choices"][1]["text"]);
  CHECK(first["usage"]["completion_tokens"] == 72);
  llm::GenerateOptions options = greedy(24);
  options.temperature = 1;
  options.seed = 8;
  CHECK(first["choices"][1]["text"] == expected_text(options));
}

TEST_CASE("several prompts, as texts or tokens, get an answer each") {
  RunningServer server;
  const auto tokens = storyteller().tokenizer().encode("Once upon a time");
  const Json texts =
      server.post("/v1/completions", completion({{"prompt", {"Once upon a time", "One day"}}}))
          .json();
  const Json ids = server.post("/v1/completions", completion({{"prompt", tokens}})).json();
  REQUIRE(texts["choices"].size() == 2);
  CHECK(texts["choices"][0]["text"] == ids["choices"][0]["text"]);
  CHECK(texts["choices"][0]["text"] != texts["choices"][1]["text"]);
  CHECK(texts["usage"]["prompt_tokens"] > ids["usage"]["prompt_tokens"]);
}

TEST_CASE("a stop string ends the answer and is no part of it") {
  RunningServer server;
  const std::string whole = expected_text(greedy(24));
  const std::string stop = whole.substr(20, 5);
  const Json json = server.post("/v1/completions", completion({{"stop", stop}})).json();
  CHECK(json["choices"][0]["finish_reason"] == "stop");
  CHECK(json["choices"][0]["text"] == whole.substr(0, whole.find(stop)));
}

TEST_CASE("logprobs are those of the tokens of the answer") {
  RunningServer server;
  const Json json =
      server.post("/v1/chat/completions", chat({{"logprobs", true}, {"top_logprobs", 2}})).json();
  const Json& content = json["choices"][0]["logprobs"]["content"];
  REQUIRE(content.size() == 24);
  std::string text;
  for (const Json& token : content) {
    text += token["token"];
    CHECK(token["logprob"] <= 0);
    CHECK(token["top_logprobs"].size() == 2);
    CHECK(token["top_logprobs"][0]["token"] == token["token"]);  // the likeliest was chosen
    CHECK(token["bytes"].size() == token["token"].get<std::string>().size());
  }
  CHECK(json["choices"][0]["message"]["content"] == text);

  const Json legacy = server.post("/v1/completions", completion({{"logprobs", 3}}))
                          .json()["choices"][0]["logprobs"];
  CHECK(legacy["tokens"].size() == 24);
  CHECK(legacy["top_logprobs"][5].size() == 3);
  CHECK(legacy["text_offset"][1] == legacy["tokens"][0].get<std::string>().size());
}

TEST_CASE("content may come in parts, and roles by their newer names") {
  RunningServer server;
  const Json plain = chat({{"messages",
                            {{{"role", "system"}, {"content", "Be brief."}},
                             {{"role", "user"}, {"content", "Hello there"}}}}});
  const Json parts = chat(
      {{"messages",
        {{{"role", "developer"}, {"content", "Be brief."}},
         {{"role", "user"},
          {"content",
           {{{"type", "text"}, {"text", "Hello"}}, {{"type", "text"}, {"text", " there"}}}}}}}});
  CHECK(server.post("/v1/chat/completions", plain).json()["choices"] ==
        server.post("/v1/chat/completions", parts).json()["choices"]);
}

TEST_CASE("what a message says is text, even where it spells a special token") {
  RunningServer server;
  const auto prompt_tokens = [&](const std::string& content) {
    const Json body = chat({{"messages", {{{"role", "user"}, {"content", content}}}}});
    return server.post("/v1/chat/completions", body)
        .json()["usage"]["prompt_tokens"]
        .get<std::int64_t>();
  };
  const std::string special = "<|endoftext|>";
  const Tokenizer& tokenizer = storyteller().tokenizer();
  REQUIRE(tokenizer.encode(special, {.add_special = false, .parse_special = true}).size() == 1);
  const auto as_text = tokenizer.encode("x" + special + "x", {.add_special = false}).size();
  REQUIRE(as_text > 4);
  CHECK(prompt_tokens("x" + special + "x") - prompt_tokens("x") ==
        static_cast<std::int64_t>(as_text) - 1);
}

TEST_CASE("an error names the member that is wrong") {
  RunningServer server;
  struct Case {
    Json more;
    int status;
    std::string param;
  };
  const std::vector<Case> cases{
      {{{"model", "gpt-9"}}, 404, "model"},
      {{{"model", 5}}, 400, "model"},
      {{{"model", nullptr}}, 400, "model"},
      {{{"messages", "hi"}}, 400, "messages"},
      {{{"messages", Json::array()}}, 400, "messages"},
      {{{"messages", {5}}}, 400, "messages[0]"},
      {{{"messages", {{{"role", "robot"}, {"content", ""}}}}}, 400, "messages[0].role"},
      {{{"messages", {{{"role", "user"}}}}}, 400, "messages[0].content"},
      {{{"messages", {{{"role", "user"}, {"content", 5}}}}}, 400, "messages[0].content"},
      {{{"messages", {{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}}}},
       400,
       "messages[0].content[0].type"},
      {{{"messages", {{{"role", "user"}, {"content", ""}, {"colour", 1}}}}},
       400,
       "messages[0].colour"},
      {{{"max_tokens", 0}}, 400, "max_tokens"},
      {{{"max_tokens", 1.5}}, 400, "max_tokens"},
      {{{"max_tokens", 1000000000}}, 400, "max_tokens"},
      {{{"temperature", 2.1}}, 400, "temperature"},
      {{{"temperature", "hot"}}, 400, "temperature"},
      {{{"top_p", -1}}, 400, "top_p"},
      {{{"n", 17}}, 400, "n"},
      {{{"seed", "x"}}, 400, "seed"},
      {{{"stop", 5}}, 400, "stop"},
      {{{"stop", {"a", 5}}}, 400, "stop"},
      {{{"stop", ""}}, 400, "stop"},
      {{{"stream", "yes"}}, 400, "stream"},
      {{{"stream_options", {{"include_usage", true}}}}, 400, "stream_options"},
      {{{"stream", true}, {"stream_options", {{"include_usage", 1}}}},
       400,
       "stream_options.include_usage"},
      {{{"stream", true}, {"stream_options", {{"what", 1}}}}, 400, "stream_options.what"},
      {{{"logprobs", 1}}, 400, "logprobs"},
      {{{"top_logprobs", 1}}, 400, "top_logprobs"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, 400, "top_logprobs"},
      {{{"tools", {{{"type", "function"}}}}}, 400, "tools"},
      {{{"tool_choice", "required"}}, 400, "tool_choice"},
      {{{"tools", 5}, {"tool_choice", "none"}}, 400, "tools"},
      {{{"logit_bias", {{"5", 101}}}}, 400, "logit_bias"},
      {{{"logit_bias", {{"5", nullptr}}}}, 400, "logit_bias"},
      {{{"logit_bias", {{"-1", 1}}}}, 400, "logit_bias"},
      {{{"logit_bias", {{"99999999", 1}}}}, 400, "logit_bias"},
      {{{"logit_bias", {{"x", 1}}}}, 400, "logit_bias"},
      {{{"logit_bias", 1}}, 400, "logit_bias"},
      {{{"frequency_penalty", 3}}, 400, "frequency_penalty"},
      {{{"temprature", 1}}, 400, "temprature"},
  };
  for (const auto& [more, status, param] : cases) {
    const std::string wrong = more.dump();
    CAPTURE(wrong);
    const Answer answer = server.post("/v1/chat/completions", chat(more));
    CHECK(answer.status == status);
    const Json error = answer.json()["error"];
    CHECK(error["param"] == param);
    CHECK(error["type"] == "invalid_request_error");
    CHECK(error["code"].is_string());
    CHECK(error["message"].get<std::string>().find(param) != std::string::npos);
  }
}

TEST_CASE("what clients send where they want nothing of it is taken") {
  RunningServer server;
  const Json plain = server.post("/v1/chat/completions", chat()).json()["choices"];
  for (const Json& more : std::vector<Json>{
           {{"logprobs", false}, {"top_logprobs", 0}},
           {{"tools", Json::array()}},
           {{"tools", Json::array()}, {"tool_choice", "auto"}},
           {{"tool_choice", "none"}},
           {{"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}},
            {"tool_choice", "none"}},
           {{"functions", Json::array()}, {"function_call", "none"}},
           {{"logit_bias", Json::object()}},
           {{"logit_bias", nullptr}, {"stop", nullptr}, {"tools", nullptr}},
           {{"top_p", 0}, {"temperature", 1}},
           {{"messages",
             {{{"role", "user"}, {"content", "Tell me a story."}, {"tool_calls", Json::array()}}}}},
       }) {
    const std::string sent = more.dump();
    CAPTURE(sent);
    const Answer answer = server.post("/v1/chat/completions", chat(more));
    REQUIRE_MESSAGE(answer.status == 200, answer.body);
    CHECK(answer.json()["choices"][0]["message"] == plain[0]["message"]);
  }
}

TEST_CASE("logit_bias changes what is chosen") {
  RunningServer server;
  const auto tokens = storyteller().generate("Once upon a time", greedy(1)).tokens;
  const std::string first = std::to_string(tokens.front());
  const auto text = [&](const Json& more) {
    return server.post("/v1/completions", completion(more)).json()["choices"][0]["text"];
  };
  const Json plain = text({{"max_tokens", 1}});
  CHECK(text({{"max_tokens", 1}, {"logit_bias", {{first, -100}}}}) != plain);
  CHECK(text({{"max_tokens", 1}, {"temperature", 2}, {"logit_bias", {{first, 100}}}}) == plain);
}

TEST_CASE("a special token stops an answer by its text") {
  RunningServer server;
  const auto end = storyteller().tokenizer().find("<|endoftext|>").value();
  const Json forced{{"ignore_eos", true},
                    {"logit_bias", {{std::to_string(end), 100}}},
                    {"stop", {"<|endoftext|>"}}};
  const Json choice = server.post("/v1/completions", completion(forced)).json()["choices"][0];
  CHECK(choice["finish_reason"] == "stop");
  CHECK(choice["text"] == "");
}

TEST_CASE("logprobs tell tokens without a text of their own apart, by their bytes") {
  RunningServer server;
  const Tokenizer& tokenizer = storyteller().tokenizer();
  const auto end = tokenizer.find("<|endoftext|>").value();
  Json biases{{std::to_string(end), 50}};
  std::vector<TokenId> halves;  // of characters
  for (TokenId token = 0; token < tokenizer.vocab_size() && halves.size() < 4; ++token) {
    const std::string piece = tokenizer.piece(token);
    if (piece.size() == 1 && static_cast<unsigned char>(piece[0]) >= 0x80) halves.push_back(token);
  }
  REQUIRE(halves.size() == 4);
  const Json asked{{"max_tokens", 3}, {"ignore_eos", true}, {"logit_bias", biases}};
  Json body = completion(asked);
  body["logprobs"] = 20;
  const Json legacy = server.post("/v1/completions", body).json()["choices"][0]["logprobs"];
  for (const Json& top : legacy["top_logprobs"]) CHECK(top.size() >= 20);
  CHECK(legacy["tokens"][0] == "<|endoftext|>");
  CHECK(legacy["bytes"][0].size() == 13);
  CHECK(legacy["text_offset"] == Json{0, 0, 0});
  body["logit_bias"] = {{std::to_string(halves[0]), 100}};
  const Json half = server.post("/v1/completions", body).json()["choices"][0]["logprobs"];
  const auto byte = static_cast<unsigned char>(tokenizer.piece(halves[0])[0]);
  CHECK(half["tokens"][0] == fmt::format("bytes:\\x{:02x}", byte));
  CHECK(half["bytes"][0] == Json{byte});
  CHECK(half["top_logprobs"][0].contains(fmt::format("bytes:\\x{:02x}", byte)));

  Json talk = chat(asked);
  talk.update({{"logprobs", true}, {"top_logprobs", 20}});
  const Json content =
      server.post("/v1/chat/completions", talk).json()["choices"][0]["logprobs"]["content"];
  CHECK(content[0]["token"] == "<|endoftext|>");
  for (const Json& token : content[0]["top_logprobs"]) CHECK_FALSE(token["bytes"].empty());
}

TEST_CASE("a body that is no JSON object is refused") {
  RunningServer server;
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("\"x\""),
        std::string("{\"a\": 1e999}"), std::string("{\"model\": \"\xff\"}"),
        std::string(100'000, '['), std::string("null")}) {
    CAPTURE(body.substr(0, 20));
    CHECK(server.ask("POST", "/v1/chat/completions", body).status == 400);
  }
}

TEST_CASE("a prompt beyond the context is refused") {
  RunningServer server;
  std::string prompt;
  for (int i = 0; i < 2000; ++i) prompt += "once upon a time ";
  const Answer answer = server.post("/v1/completions", completion({{"prompt", prompt}}));
  CHECK(answer.status == 400);
  CHECK(answer.json()["error"]["code"] == "context_length_exceeded");
}

TEST_CASE("paths and methods that are not there are errors in the same shape") {
  RunningServer server;
  CHECK(server.get("/v1/nothing").json()["error"]["code"] == "unknown_url");
  const Answer wrong_method = server.get("/v1/completions");
  CHECK(wrong_method.status == 405);
  CHECK(wrong_method.has_header("Allow: POST"));
}

TEST_CASE("health, readiness and models are told") {
  RunningServer server;
  CHECK(server.get("/healthz").status == 200);
  CHECK(server.get("/readyz").status == 200);
  const Json list = server.get("/v1/models").json();
  REQUIRE(list["data"].size() == 1);
  CHECK(list["data"][0]["id"] == "story");
  CHECK(server.get("/v1/models/story").json() == list["data"][0]);
  CHECK(server.get("/v1/models/other").json()["error"]["code"] == "model_not_found");
}

TEST_CASE("metrics count what was asked") {
  RunningServer server;
  server.post("/v1/completions", completion());
  server.post("/v1/completions", completion({{"model", "other"}}));
  const std::string text = server.get("/metrics").body;
  for (const char* line : {
           "quern_requests_total{route=\"/v1/completions\",status=\"200\"} 1\n",
           "quern_requests_total{route=\"/v1/completions\",status=\"404\"} 1\n",
           "quern_completion_tokens_total{model=\"story\"} 24\n",
           "quern_time_to_first_token_seconds_count{model=\"story\"} 1\n",
           "quern_time_per_token_seconds_bucket{model=\"story\",le=\"+Inf\"} 1\n",
           "# TYPE quern_request_seconds histogram\n",
           "quern_running_requests{model=\"story\"} 0\n",
           "quern_kv_pages_total{model=\"story\"} ",
           "quern_batch_size{model=\"story\"} ",
           "quern_queued_requests{model=\"story\"} 0\n",
           "quern_connections ",
       }) {
    CHECK_MESSAGE(text.find(line) != std::string::npos, line);
  }
  CHECK(server.metric("quern_resident_memory_bytes") > 1e6);
}

TEST_CASE("a client that leaves frees its slot within 200 ms, streamed or not") {
  RunningServer server({}, {.max_running = 1});
  const auto unfinished = [&] {
    return server.metric("quern_running_requests{model=\"story\"}") +
           server.metric("quern_queued_requests{model=\"story\"}");
  };
  for (const bool stream : {false, true}) {
    CAPTURE(stream);
    std::vector<std::chrono::steady_clock::duration> times;
    for (int i = 0; i < 5; ++i) {
      RawClient client(server.port());
      client.send(http("POST", "/v1/completions", long_work({{"stream", stream}}).dump()));
      while (unfinished() == 0) {
      }
      client.close();
      const auto left = std::chrono::steady_clock::now();
      while (unfinished() != 0) {
      }
      times.push_back(std::chrono::steady_clock::now() - left);
    }
    std::ranges::sort(times);
    CHECK(times[times.size() / 2] < kFreed);
  }
  while (server.metric("quern_cancelled_total{model=\"story\"}") != 10) {
  }
}

TEST_CASE("a client that sends no more gets its whole answer, streamed or not") {
  RunningServer server;
  for (const bool stream : {false, true}) {
    CAPTURE(stream);
    RawClient client(server.port());
    const Json asked = completion({{"stream", stream}, {"max_tokens", 120}, {"ignore_eos", true}});
    client.send(http("POST", "/v1/completions", asked.dump()));
    client.half_close();
    const std::string answer = client.read_all();
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.find("\"finish_reason\":\"length\"") != std::string::npos);
    CHECK((!stream || answer.find("data: [DONE]") != std::string::npos));
  }
}

TEST_CASE("a full queue is told, with a time to come back, and is free again after it") {
  RunningServer server({}, {.max_running = 1, .max_queued = 1});
  const Answer answer = server.post("/v1/completions", long_work());
  CHECK(answer.status == 503);
  CHECK(answer.has_header("Retry-After: 1"));
  CHECK(answer.json()["error"]["code"] == "overloaded");
  while (server.post("/v1/completions", completion()).status != 200) {
  }
}

TEST_CASE("a request's time is bounded, and what it generated is the answer") {
  RunningServer server({.limits = {.max_request_seconds = 1}}, {.max_running = 1});
  const Json json = server.post("/v1/completions", long_work()).json();
  CHECK(json["choices"].size() == 7 * 16);
  CHECK(json["choices"][0]["finish_reason"] == "length");
  CHECK(json["usage"]["completion_tokens"] > 0);
  CHECK(json["usage"]["completion_tokens"] < 7 * 16 * 480);
}

TEST_CASE("stop lets a stream end") {
  RunningServer server;
  RawClient client(server.port());
  client.send(http("POST", "/v1/completions", completion({{"stream", true}}).dump()));
  client.read_until("data: ");
  server.server().stop(std::chrono::seconds{60});
  CHECK(client.read_all().find("[DONE]") != std::string::npos);
}

TEST_CASE("without keys only this machine is served") {
  CHECK_THROWS_AS(Server(Config{.host = "0.0.0.0"}), Error);
}

TEST_CASE("pages of other origins are served only where the configuration names them") {
  RunningServer closed;
  const Answer refused = closed.get("/healthz", "Origin: https://a.example\r\n");
  CHECK(refused.status == 403);
  CHECK_FALSE(refused.has_header("Access-Control"));
  const std::string own = "Origin: http://localhost\r\n";
  CHECK(closed.get("/healthz", own).status == 200);
  RunningServer open(Config{.cors_origins = {"https://a.example"}});
  CHECK(open.get("/healthz", "Origin: https://a.example\r\n")
            .has_header("Access-Control-Allow-Origin: https://a.example"));
  CHECK_FALSE(open.get("/healthz", "Origin: https://b.example\r\n").has_header("Access-Control"));
  RunningServer all(Config{.cors_origins = {"*"}});
  CHECK(all.get("/healthz", "Origin: https://b.example\r\n")
            .has_header("Access-Control-Allow-Origin: https://b.example"));
  CHECK(all.ask("OPTIONS", "/v1/completions", "", "Origin: null\r\n").status == 204);
  const Answer preflight =
      open.ask("OPTIONS", "/v1/completions", "", "Origin: https://a.example\r\n");
  CHECK(preflight.status == 204);
  CHECK(preflight.has_header("Access-Control-Allow-Methods: GET, POST"));
}

TEST_CASE("without keys only names of this machine are served") {
  RunningServer server;
  for (const auto& [host, status] :
       std::vector<std::pair<std::string, std::string>>{{"localhost:8080", "200"},
                                                        {"127.0.0.1", "200"},
                                                        {"[::1]:80", "200"},
                                                        {"evil.example", "403"},
                                                        {"localhost.evil.example:80", "403"},
                                                        {"127.evil.example", "403"}}) {
    const std::string head =
        "GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: " + host + "\r\n\r\n";
    CAPTURE(head);
    RawClient client(server.port());
    client.send(head);
    CHECK(client.read_all().starts_with("HTTP/1.1 " + status));
  }
}

}  // namespace quern::serve
