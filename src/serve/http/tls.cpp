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

/// Why OpenSSL's last call failed. Not as an argument beside that call: either may come first.
std::string last_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

/// Asks nobody for the passphrase of a key, as OpenSSL would on the terminal, and notes that it has
/// one.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

void use_certificate(SSL_CTX* context, const std::string& path) {
  if (SSL_CTX_use_certificate_chain_file(context, path.c_str()) == 1) return;
  fail(ErrorCode::invalid_argument, "serve: certificate \"{}\": {}", path, last_error());
}

void use_private_key(SSL_CTX* context, const std::string& path) {
  bool encrypted = false;
  SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
  const bool used = SSL_CTX_use_PrivateKey_file(context, path.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  if (used) return;
  const std::string reason = last_error();
  require(!encrypted, "serve: private key \"{}\" is encrypted: give one without a passphrase",
          path);
  fail(ErrorCode::invalid_argument, "serve: private key \"{}\": {}", path, reason);
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
  ERR_clear_error();
  use_certificate(context, certificate);
  use_private_key(context, private_key);
  require(SSL_CTX_check_private_key(context) == 1,
          "serve: private key \"{}\" is not that of the certificate", private_key);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<Stream> TlsContext::wrap(Descriptor socket) const {
  return std::make_unique<TlsStream>(std::move(socket), impl_->context.get());
}

}  // namespace quern::serve
