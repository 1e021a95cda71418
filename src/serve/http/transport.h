#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "serve/http/connection.h"

namespace quern::serve {

struct TransportOptions {
  std::string host = "127.0.0.1";
  int port = 0;                  ///< 0: any that is free
  std::string certificate = {};  ///< PEM files; both empty: plain HTTP
  std::string private_key = {};
  HttpLimits limits = {};
  RefusalContent refusal = plain_refusal;
};

/// Listens, and hands each request to a handler, in a thread of its own. Connections that wait for
/// their next request share one thread, and cost nothing while they wait.
///
/// Safe to use from several threads at once.
class Transport {
 public:
  /// Binds. Throws: `invalid_argument` where the address or the certificate cannot be used.
  Transport(const TransportOptions& options, Handler handler);
  /// Stops at once.
  ~Transport();

  int port() const noexcept;
  /// Starts to accept connections. Throws: `internal` where the system has no threads left.
  void start();
  /// Accepts no more; lets requests that run finish for a while, then makes their clients appear
  /// gone and waits for them to end. May be called more than once.
  void stop(std::chrono::milliseconds drain);

  std::int64_t connections() const noexcept;
  /// Bytes of bodies that are held.
  std::int64_t body_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
