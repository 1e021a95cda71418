#include "serve/client/http_client.h"

#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#define CPPHTTPLIB_OPENSSL_SUPPORT
#endif
#include <fcntl.h>
#include <httplib.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>

#include "serve/error.h"
#include "serve/http/socket.h"

namespace quern::serve {
namespace {

/// Keeps SIGPIPE, which a write to a broken connection raises, from the host.
class NoBrokenPipes {
 public:
  NoBrokenPipes() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipes() {
    const timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipes(const NoBrokenPipes&) = delete;
  NoBrokenPipes& operator=(const NoBrokenPipes&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

const std::string& checked(const std::string& url) {
  const std::size_t host = url.find("://");
  require(host != std::string::npos && url.find_first_of("/?#", host + 3) == std::string::npos &&
              (url.starts_with("http://") || url.starts_with("https://")),
          "client: \"{}\" is not of the form http://HOST:PORT or https://HOST:PORT", url);
  return url;
}

}  // namespace

struct HttpClient::Impl {
  explicit Impl(const ClientOptions& options) : client(checked(options.url)) {
    require(client.is_valid(), "client: the url \"{}\" or the certificate cannot be used",
            options.url);
    client.set_connection_timeout(options.connect_timeout);
    client.set_read_timeout(options.read_timeout);
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_socket_options([this](int socket) { watch(socket); });
    if (!options.ca_certificate.empty()) client.set_ca_cert_path(options.ca_certificate);
    if (!options.api_key.empty()) headers.emplace("Authorization", "Bearer " + options.api_key);
    headers.emplace("Content-Type", "application/json");
  }

  /// Is given each socket before it connects, which httplib's own `stop` would wait for.
  void watch(int socket) {
    const std::lock_guard lock(mutex);
    if (interrupted) {  // nothing connects to it any more
      const Descriptor nowhere(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      ::dup3(nowhere.get(), socket, O_CLOEXEC);
      return;
    }
    connecting = Descriptor(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
  }

  void interrupt() {
    {
      const std::lock_guard lock(mutex);
      interrupted = true;
      if (connecting) ::shutdown(connecting.get(), SHUT_RDWR);
    }
    client.stop();
  }

  void forget() {
    const std::lock_guard lock(mutex);
    connecting = Descriptor();
  }

  httplib::Client client;
  httplib::Headers headers;
  std::mutex mutex;
  bool interrupted = false;
  Descriptor
      connecting;  // a duplicate, so that it names no other socket once httplib closed its own
};

HttpClient::HttpClient(const ClientOptions& options) : impl_(std::make_unique<Impl>(options)) {}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send(const std::string& method, const std::string& path,
                            const std::string& body, const Receive& receive) {
  const NoBrokenPipes no_broken_pipes;
  HttpAnswer answer;
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.headers = impl_->headers;
  request.body = body;
  request.response_handler = [&](const httplib::Response& response) {
    answer.status = response.status;
    answer.retry_after = response.get_header_value("Retry-After");
    return true;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (answer.status == 200 && receive) {
      answer.stopped = !receive({data, size});
      return !answer.stopped;
    }
    answer.body.append(data, size);
    return true;
  };
  const httplib::Result result = impl_->client.send(request);
  impl_->forget();
  if (!result && !answer.stopped) {
    answer.status = 0;
    answer.failure = httplib::to_string(result.error());
  }
  return answer;
}

void HttpClient::interrupt() { impl_->interrupt(); }

void HttpClient::resume() {
  const std::lock_guard lock(impl_->mutex);
  impl_->interrupted = false;
}

}  // namespace quern::serve
