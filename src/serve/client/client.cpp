#include "quern/serve/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <random>

#include "serve/client/event_reader.h"
#include "serve/client/http_client.h"
#include "serve/error.h"
#include "serve/infer/tensor_json.h"
#include "serve/members.h"

namespace quern::serve {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestDelay{60'000};

bool is_worth_a_retry(int status) { return status == 0 || status == 429 || status >= 500; }

ErrorCode code_of_status(int status) {
  if (status == 404) return ErrorCode::not_found;
  if (status == 429 || status == 503) return ErrorCode::busy;
  return status >= 400 && status < 500 ? ErrorCode::invalid_argument : ErrorCode::internal;
}

/// What the server said of an error.
std::string message_of(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("error") || !json["error"].is_object())
    return "no message";
  const Json& message = json["error"].value("message", Json());
  return message.is_string() ? message.get<std::string>() : "no message";
}

[[noreturn]] void fail_as(const HttpAnswer& answer, std::string_view path) {
  if (answer.status == 0) {
    fail(ErrorCode::internal, "client: {}: the server cannot be reached: {}", path, answer.failure);
  }
  fail(code_of_status(answer.status), "client: {}: HTTP {}: {}", path, answer.status,
       message_of(answer.body));
}

Json parse(const std::string& text, std::string_view path) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    fail(ErrorCode::internal, "client: {}: the answer is not JSON", path);
  }
  return json;
}

/// Reads a value of the server's JSON; what has another shape is the server's failure.
template <class Read>
auto read(std::string_view path, const Read& read_it) {
  try {
    return read_it();
  } catch (const Json::exception&) {
    fail(ErrorCode::internal, "client: {}: the answer has another shape than expected", path);
  } catch (const ApiError& error) {
    fail(ErrorCode::internal, "client: {}: the answer has a tensor that is wrong: {}", path,
         error.what());
  }
}

/// A name as a part of a path.
std::string percent_encoded(std::string_view name) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string encoded;
  for (const char c : name) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

Json body_of(std::string_view model, std::span<const ChatMessage> messages,
             const llm::GenerateOptions& options, bool stream) {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  Json body{{"model", model},
            {"messages", std::move(list)},
            {"max_tokens", options.max_tokens},
            {"temperature", options.temperature},
            {"top_p", options.top_p},
            {"top_k", options.top_k},
            {"min_p", options.min_p},
            {"repetition_penalty", options.repetition_penalty},
            {"frequency_penalty", options.frequency_penalty},
            {"presence_penalty", options.presence_penalty},
            {"seed", static_cast<std::int64_t>(options.seed)},
            {"ignore_eos", options.ignore_stop_tokens}};
  if (!options.stop.empty()) body["stop"] = options.stop;
  for (const auto& [token, bias] : options.logit_bias) {
    body["logit_bias"][std::to_string(token)] = bias;
  }
  if (stream) {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
  }
  return body;
}

llm::Usage usage_of(const Json& json) {
  const Json details = json.value("prompt_tokens_details", Json::object());
  return {.prompt_tokens = json.value("prompt_tokens", std::int64_t{0}),
          .cached_tokens = details.value("cached_tokens", std::int64_t{0}),
          .completion_tokens = json.value("completion_tokens", std::int64_t{0})};
}

std::string body_of(const onnx::Values& inputs) {
  std::string body = "{\"inputs\":[";
  try {
    for (const auto& [name, value] : inputs) {
      if (body.back() == '}') body += ',';
      write_tensor(name, value.tensor(), body, nullptr);
    }
  } catch (const ApiError& error) {
    fail(ErrorCode::unsupported, "client: {}", error.what());
  }
  return body + "]}";
}

}  // namespace

struct Client::Impl {
  explicit Impl(const ClientOptions& its_options) : options(its_options), http(its_options) {}

  /// Sends until an answer 200, or retries are of no use. `begun` says whether a part of the answer
  /// was delivered.
  HttpAnswer send(const std::string& method, const std::string& path, const std::string& body,
                  const Receive& receive = {}, const bool& begun = false) {
    {
      const std::lock_guard lock(mutex);
      cancelled = false;
      running = true;
      http.resume();
    }
    for (int attempt = 0;; ++attempt) {
      HttpAnswer answer = http.send(method, path, body, receive);
      std::unique_lock lock(mutex);
      const bool last = answer.stopped || begun || attempt >= options.max_retries ||
                        !is_worth_a_retry(answer.status);
      if (!last && !cancelled) {
        cancel_news.wait_for(lock, delay(attempt, answer), [this] { return cancelled; });
      }
      if (!last && !cancelled) continue;
      running = false;
      if (cancelled) fail(ErrorCode::cancelled, "client: {}: cancelled", path);
      if (answer.status != 200) fail_as(answer, path);
      return answer;
    }
  }

  milliseconds delay(int attempt, const HttpAnswer& answer) {
    int seconds = 0;
    const std::string& asked = answer.retry_after;
    const auto [end, error] = std::from_chars(asked.data(), asked.data() + asked.size(), seconds);
    if (error == std::errc{} && seconds > 0) {
      return std::min(kLongestDelay, milliseconds{std::int64_t{1000} * seconds});
    }
    std::uniform_real_distribution<double> about(0.75, 1.25);
    const double doubled = static_cast<double>(options.first_delay.count()) *
                           static_cast<double>(std::int64_t{1} << std::min(attempt, 20));
    return std::min(kLongestDelay,
                    milliseconds{static_cast<std::int64_t>(doubled * about(random))});
  }

  ClientOptions options;
  HttpClient http;
  std::minstd_rand random{std::random_device{}()};
  std::mutex mutex;
  std::condition_variable cancel_news;
  bool running = false;
  bool cancelled = false;
};

Client::Client(const ClientOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

std::vector<std::string> Client::models() {
  const std::string path = "/v1/models";
  const Json json = parse(impl_->send("GET", path, {}).body, path);
  return read(path, [&] {
    std::vector<std::string> names;
    for (const Json& model : json.at("data")) names.push_back(model.at("id"));
    return names;
  });
}

namespace {

/// The answer that the events of a stream make up.
class StreamedReply {
 public:
  StreamedReply(ChatReply& reply, const llm::StreamCallback& callback)
      : reply_(reply), callback_(callback) {}

  bool receive(std::string_view piece) {
    begun_ = true;
    events_.add(piece);
    for (std::string data; events_.next(data);) {
      if (data == "[DONE]") {
        done_ = true;
      } else if (!take(parse(data, "/v1/chat/completions"))) {
        return false;
      }
    }
    return true;
  }

  bool done() const { return done_; }
  const bool& begun() const { return begun_; }

 private:
  bool take(const Json& event) {
    if (event.contains("error")) {
      fail(ErrorCode::internal, "client: the answer broke off: {}", message_of(event.dump()));
    }
    if (event.contains("usage") && event["usage"].is_object())
      reply_.usage = usage_of(event["usage"]);
    for (const Json& choice : event.at("choices")) {
      const Json& reason = choice.at("finish_reason");
      if (reason.is_string()) reply_.finish_reason = reason;
      const std::string text = choice.at("delta").value("content", "");
      if (text.empty()) continue;
      reply_.text += text;
      if (callback_(text) == Flow::stop) return false;
    }
    return true;
  }

  ChatReply& reply_;
  const llm::StreamCallback& callback_;
  EventReader events_;
  bool begun_ = false;
  bool done_ = false;
};

}  // namespace

ChatReply Client::chat(std::string_view model, std::span<const ChatMessage> messages,
                       const llm::GenerateOptions& options, const llm::StreamCallback& callback) {
  const std::string path = "/v1/chat/completions";
  const std::string body = dump(body_of(model, messages, options, static_cast<bool>(callback)));
  ChatReply reply;
  if (!callback) {
    const Json json = parse(impl_->send("POST", path, body).body, path);
    return read(path, [&] {
      const Json& choice = json.at("choices").at(0);
      reply.text = choice.at("message").at("content");
      reply.finish_reason = choice.at("finish_reason");
      reply.usage = usage_of(json.at("usage"));
      return reply;
    });
  }
  StreamedReply streamed(reply, callback);
  std::exception_ptr thrown;
  const Receive receive = [&](std::string_view piece) {
    try {
      return read(path, [&] { return streamed.receive(piece); });
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  };
  const HttpAnswer answer = impl_->send("POST", path, body, receive, streamed.begun());
  if (thrown) std::rethrow_exception(thrown);
  if (answer.stopped) {
    reply.finish_reason = "cancelled";
  } else if (!streamed.done()) {
    fail(ErrorCode::internal, "client: {}: the answer broke off", path);
  }
  return reply;
}

onnx::Values Client::infer(std::string_view model, const onnx::Values& inputs) {
  const std::string path = fmt::format("/v2/models/{}/infer", percent_encoded(model));
  const std::string answer = impl_->send("POST", path, body_of(inputs)).body;
  return read(path, [&] {
    onnx::Values outputs;
    std::string_view no_binary;
    Members members(parse_body(answer, {.allows_nonfinite = true}));
    for (const auto& [unnamed, output] : members.need("outputs")) {
      const std::string where = fmt::format("outputs[{}].", outputs.size());
      outputs.insert(read_tensor(output, where, no_binary));
    }
    return outputs;
  });
}

UsageReport Client::usage(std::string_view month) {
  std::string path = "/v1/usage";
  if (!month.empty()) (path += "?month=") += month;
  const Json json = parse(impl_->send("GET", path, {}).body, path);
  return read(path, [&] {
    UsageReport report{json.at("month"), json.at("currency"), {}};
    for (const Json& line : json.at("data")) {
      report.days.push_back({line.at("day"), line.at("model"), line.at("requests"),
                             line.at("prompt_tokens"), line.at("completion_tokens"),
                             line.at("cost")});
    }
    return report;
  });
}

void Client::cancel() {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->running) return;
  impl_->cancelled = true;
  impl_->http.interrupt();
  impl_->cancel_news.notify_all();
}

}  // namespace quern::serve
