#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "quern/export.h"
#include "quern/llm.h"
#include "quern/onnx.h"
#include "quern/onnx/batcher.h"
#include "quern/serve/accounts.h"
#include "quern/serve/client.h"
#include "quern/serve/config.h"

namespace quern::serve {

/// Models behind an HTTP API in the shape of OpenAI's, that meters every caller:
///
///     GET  /                       a page to chat with the models and to see what was used
///     POST /v1/chat/completions    streamed by server-sent events, or not
///     POST /v1/completions         likewise
///     GET  /v1/models, /v1/models/{model}
///     GET  /v1/usage               of the caller's own key, by day and model
///     POST /v2/models/{model}/infer          the Open Inference Protocol, for ONNX models
///     GET  /v2, /v2/models/{model}, /v2/models/{model}/ready, /v2/health/live, /v2/health/ready
///     GET  /healthz, /readyz, /metrics
///
/// Prompts and answers are neither stored nor logged. Where the configuration has plans, all of /v1
/// and /v2/models ask for a key. Threads and sockets are the server's own; the host's threads stay
/// free.
///
/// A child that the process forks has none of these threads: there, all but the destructor and
/// `stop`, which do nothing, must be left alone, and the child shares the ledger's lock until it
/// runs another program or ends.
///
/// Safe to use from several threads at once.
class QUERN_API Server {
 public:
  /// Opens the ledger, and has it until it stops; loads no model and binds no port. Requests that
  /// were open when the last server on the ledger was killed are ended: what was delivered of a
  /// stream is billed, within a few tokens, and nothing of other answers.
  /// Throws: `invalid_argument` for what the configuration must not hold, or an address beyond this
  /// machine where no keys are asked for; `busy`, naming it, where another server has the ledger;
  /// what Accounts throws.
  explicit Server(const Config& config = {});
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  /// Stops at once.
  ~Server();

  /// Serves a model under a name; before or after `start`. Throws: `invalid_argument` for a name
  /// that is empty or taken.
  void add(const std::string& name, const llm::Model& model,
           const llm::EngineOptions& options = {});
  void add(const std::string& name, const onnx::Model& model,
           const onnx::BatchOptions& options = {});

  /// Loads the configuration's models, binds and serves. Returns when requests are taken. Throws:
  /// what loading throws; `invalid_argument` where the address cannot be bound.
  void start();

  /// The port that is bound; 0 before `start`.
  int port() const noexcept;
  /// Blocks until the server is stopped.
  void wait();
  /// Takes no more requests, lets those that run end within `drain`, and cancels the others. What
  /// was generated is billed. Another server may have the ledger then. Does nothing where the
  /// server is stopped.
  void stop(std::chrono::milliseconds drain = std::chrono::milliseconds{0});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
