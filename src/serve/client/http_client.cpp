#include "serve/client/http_client.h"

#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#define CPPHTTPLIB_OPENSSL_SUPPORT
#endif
#include <httplib.h>
#include <signal.h>

#include "serve/error.h"

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
    if (!options.ca_certificate.empty()) client.set_ca_cert_path(options.ca_certificate);
    if (!options.api_key.empty()) headers.emplace("Authorization", "Bearer " + options.api_key);
    headers.emplace("Content-Type", "application/json");
  }

  httplib::Client client;
  httplib::Headers headers;
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
  if (!result && !answer.stopped) {
    answer.status = 0;
    answer.failure = httplib::to_string(result.error());
  }
  return answer;
}

void HttpClient::interrupt() { impl_->client.stop(); }

}  // namespace quern::serve
