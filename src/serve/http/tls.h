#pragma once

#include <memory>
#include <string>

#include "serve/http/socket.h"

namespace quern::serve {

/// A server's certificate and key, and the streams that speak TLS 1.2 or later with them.
///
/// Safe to use from several threads.
class TlsContext {
 public:
  /// Takes PEM files. Throws: `invalid_argument` where they cannot be read or do not belong
  /// together.
  TlsContext(const std::string& certificate, const std::string& private_key);
  ~TlsContext();

  std::unique_ptr<Stream> wrap(Descriptor socket) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
