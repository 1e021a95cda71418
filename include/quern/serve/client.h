#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quern/export.h"
#include "quern/llm.h"
#include "quern/onnx.h"

namespace quern::serve {

struct ClientOptions {
  std::string url = "http://127.0.0.1:8080";  ///< of the server: scheme, host and port
  std::string api_key = {};                   ///< empty: none is sent
  std::string ca_certificate = {};  ///< a PEM file to trust instead of the system's certificates
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds read_timeout{300'000};  ///< without a byte from the server
  int max_retries = 4;                              ///< of a request that nothing has come of
  std::chrono::milliseconds first_delay{200};       ///< before a retry; doubles with each
};

/// An answer of a server's model.
struct ChatReply {
  std::string text;
  std::string finish_reason;  ///< "stop", "length", or "cancelled" where the callback stopped it
  llm::Usage usage;           ///< zero where the answer was stopped
};

/// What a key used of a model on a day.
struct DailyUsage {
  std::string day;  ///< "2026-11-24"
  std::string model;
  std::int64_t requests = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::string cost;  ///< "0.000042", in the report's currency
};
struct UsageReport {
  std::string month;  ///< "2026-11"
  std::string currency;
  std::vector<DailyUsage> days;
};

/// A client of Server, or of another service with OpenAI's API.
///
/// Connections that fail, and answers 429 and 5xx, are retried, after a delay that doubles and is
/// drawn at random about that, or as long as the server asks; not once a part of an answer has been
/// delivered. All calls throw: `invalid_argument` for what the server refuses (the message is the
/// server's, with the status), `not_found` for 404, `busy` where it was too busy or limits were
/// passed to the end, `cancelled` after `cancel`, `internal` where it cannot be reached or fails.
///
/// One thread at a time, but for `cancel`.
class QUERN_API Client {
 public:
  /// Connects at the first request. Throws: `invalid_argument` for a malformed url.
  explicit Client(const ClientOptions& options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  /// Names of the models there are.
  std::vector<std::string> models();

  /// Answers a conversation. With a callback the answer is streamed, and may be stopped.
  ChatReply chat(std::string_view model, std::span<const ChatMessage> messages,
                 const llm::GenerateOptions& options = {},
                 const llm::StreamCallback& callback = {});

  /// Runs an ONNX model on tensors by their names (the Open Inference Protocol), and gives all of
  /// its outputs. Numbers travel as JSON, NaN and infinities among them. Throws also:
  /// `invalid_argument` for inputs that are not tensors; `unsupported` for dtypes that the protocol
  /// lacks, and strings that are not UTF-8.
  onnx::Values infer(std::string_view model, const onnx::Values& inputs);

  /// What the key has used in a month ("2026-11"; empty: the current one).
  UsageReport usage(std::string_view month = {});

  /// Ends the request that runs, and the delay before a retry; from any thread. Does nothing where
  /// none runs.
  void cancel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
