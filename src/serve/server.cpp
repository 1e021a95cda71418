#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "quern/runtime.h"
#include "quern/serve.h"
#include "serve/api_error.h"
#include "serve/error.h"
#include "serve/http/transport.h"
#include "serve/router.h"

namespace quern::serve {
namespace {

TransportOptions transport_options(const Config& config) {
  const RequestLimits& limits = config.limits;
  return {.host = config.host,
          .port = config.port,
          .certificate = config.tls.certificate,
          .private_key = config.tls.private_key,
          .limits = {.max_header_bytes = limits.max_header_bytes,
                     .max_body_bytes = limits.max_body_bytes,
                     .max_bodies_bytes = std::max(limits.max_bodies_bytes, limits.max_body_bytes),
                     .max_connections = limits.max_connections,
                     .idle_time = std::chrono::seconds(limits.idle_seconds)},
          .refusal = error_content};
}

}  // namespace

struct Server::Impl {
  explicit Impl(const Config& config) : service(config) {}

  template <class Kind, class Model, class Options>
  void add(const std::string& name, const Model& model, const Options& options) {
    service.models.add(std::make_shared<Kind>(name, model, options));
  }

  void load_models() {
    for (const ModelConfig& model : service.config.models) {
      if (model.path.ends_with(".onnx")) {
        add<OnnxModel>(
            model.name, onnx::Model::load(model.path),
            onnx::BatchOptions{model.max_batch, std::chrono::milliseconds(model.max_delay_ms),
                               model.rows_are_independent});
        continue;
      }
      const auto loaded =
          llm::Model::load(model.path, {.accuracy = model.exact ? Accuracy::exact : Accuracy::fast,
                                        .context_length = model.context_length});
      const std::int64_t kv_tokens =
          model.kv_tokens > 0 ? std::max(model.kv_tokens, loaded.context_length()) : 0;
      add<LanguageModel>(model.name, loaded,
                         llm::EngineOptions{.max_running = model.max_batch,
                                            .max_queued = service.config.limits.max_queue,
                                            .kv_tokens = kv_tokens});
    }
  }

  /// A child that this process forks has none of the threads that serve.
  bool is_of_this_process() const { return ::getpid() == process; }
  void require_own_process() const {
    require(is_of_this_process(), "serve: the server is of process {}, which forked this one",
            process);
  }

  const pid_t process = ::getpid();
  Service service;
  std::unique_ptr<Transport> transport;  // after what its threads use
  std::mutex mutex;
  std::condition_variable stopped_news;
  bool stopped = false;
};

Server::Server(const Config& config) {
  check(config);
  // check() has judged the name; here is where it leads.
  require(!config.plans.empty() || is_loopback(config.host),
          "serve: host \"{}\" is open to other machines, which takes plans and keys", config.host);
  impl_ = std::make_unique<Impl>(config);
  if (config.threads > 0) {
    RuntimeOptions options = runtime_options();
    options.threads = config.threads;
    configure(options);
  }
}

Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() {
  if (!impl_) return;
  if (impl_->is_of_this_process()) {
    stop();
  } else {
    impl_.release();  // its threads cannot be waited for, and its ledger is the parent's
  }
}

void Server::add(const std::string& name, const llm::Model& model,
                 const llm::EngineOptions& options) {
  impl_->add<LanguageModel>(name, model, options);
}

void Server::add(const std::string& name, const onnx::Model& model,
                 const onnx::BatchOptions& options) {
  impl_->add<OnnxModel>(name, model, options);
}

void Server::start() {
  impl_->require_own_process();
  require(impl_->transport == nullptr, "serve: the server was started before");
  impl_->load_models();
  impl_->transport =
      std::make_unique<Transport>(transport_options(impl_->service.config),
                                  [service = &impl_->service](Request& request, Reply& reply) {
                                    route(*service, request, reply);
                                  });
  impl_->service.connections = [transport = impl_->transport.get()] {
    return transport->connections();
  };
  impl_->service.body_bytes = [transport = impl_->transport.get()] {
    return transport->body_bytes();
  };
  impl_->transport->start();
  const Config& config = impl_->service.config;
  impl_->service.meter.announce(fmt::format(
      "{}://{}:{}", config.tls.certificate.empty() ? "http" : "https", config.host, port()));
}

int Server::port() const noexcept { return impl_->transport ? impl_->transport->port() : 0; }

void Server::wait() {
  impl_->require_own_process();
  std::unique_lock lock(impl_->mutex);
  impl_->stopped_news.wait(lock, [this] { return impl_->stopped; });
}

void Server::stop(std::chrono::milliseconds drain) {
  if (!impl_->is_of_this_process()) return;
  impl_->service.draining = true;
  if (impl_->transport) impl_->transport->stop(drain);
  impl_->service.meter.leave();
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
  }
  impl_->stopped_news.notify_all();
}

}  // namespace quern::serve
