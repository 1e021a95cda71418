#include "serve/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <climits>

#include "serve/error.h"

namespace quern::serve {
namespace {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class TlsStream : public Stream {
 public:
  TlsStream(Descriptor socket, SSL_CTX* context)
      : Stream(std::move(socket)), ssl_(SSL_new(context)) {
    if (ssl_) SSL_set_fd(ssl_.get(), fd());
  }

  bool open(Deadline deadline) override {
    if (!ssl_ || opened_)
      return opened_;  // a stream that was never opened is neither read nor written
    opened_ = repeat(deadline, [&] { return SSL_accept(ssl_.get()); }) == Status::ok;
    return opened_;
  }

  Status read(std::span<char> buffer, std::size_t& size, Deadline deadline) override {
    return repeat(deadline,
                  [&] { return SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &size); });
  }

  Status write(std::string_view bytes, Deadline deadline) override {
    while (!bytes.empty()) {
      std::size_t sent = 0;
      const Status status = repeat(
          deadline, [&] { return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent); });
      if (status != Status::ok) return status;
      bytes.remove_prefix(sent);
    }
    return Status::ok;
  }

  void finish(Deadline deadline) override {
    if (opened_) SSL_shutdown(ssl_.get());
    ERR_clear_error();
    Stream::finish(deadline);
  }

  bool buffered() const override { return ssl_ && SSL_pending(ssl_.get()) > 0; }

 private:
  /// Calls until it succeeds, waiting for the socket as OpenSSL asks.
  template <class Call>
  Status repeat(Deadline deadline, const Call& call) {
    for (;;) {
      ERR_clear_error();
      const int result = call();
      if (result > 0) return Status::ok;
      Status status = Status::failed;
      switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
          status = wait(Wait::readable, deadline);
          break;
        case SSL_ERROR_WANT_WRITE:
          status = wait(Wait::writable, deadline);
          break;
        case SSL_ERROR_ZERO_RETURN:
          return Status::end;
        default:
          break;
      }
      if (status != Status::ok) return status;
    }
  }

  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool opened_ = false;
};

std::string last_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

}  // namespace

struct TlsContext::Impl {
  std::unique_ptr<SSL_CTX, FreeSsl> context{SSL_CTX_new(TLS_server_method())};
};

TlsContext::TlsContext(const std::string& certificate, const std::string& private_key)
    : impl_(std::make_unique<Impl>()) {
  SSL_CTX* context = impl_->context.get();
  if (context == nullptr) fail(ErrorCode::internal, "serve: TLS: {}", last_error());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  require(SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) == 1,
          "serve: certificate \"{}\": {}", certificate, last_error());
  require(SSL_CTX_use_PrivateKey_file(context, private_key.c_str(), SSL_FILETYPE_PEM) == 1,
          "serve: private key \"{}\": {}", private_key, last_error());
  require(SSL_CTX_check_private_key(context) == 1,
          "serve: private key \"{}\" is not that of the certificate", private_key);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<Stream> TlsContext::wrap(Descriptor socket) const {
  return std::make_unique<TlsStream>(std::move(socket), impl_->context.get());
}

}  // namespace quern::serve
