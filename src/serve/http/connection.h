#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "serve/http/head.h"
#include "serve/http/message.h"
#include "serve/http/socket.h"

namespace quern::serve {

/// Answers a request.
using Handler = std::function<void(Request&, Reply&)>;

/// Bounds on what a client can make the transport hold, and for how long.
struct HttpLimits {
  std::int64_t max_header_bytes = 16 << 10;
  std::int64_t max_body_bytes = 8 << 20;
  std::int64_t max_bodies_bytes = 256 << 20;  ///< of all that are held at once
  std::int64_t max_connections = 1024;
  std::chrono::milliseconds head_time{10'000};   ///< from its first byte to its last
  std::chrono::milliseconds body_time{60'000};   ///< likewise
  std::chrono::milliseconds write_time{10'000};  ///< of one write, until the client takes it
  std::chrono::milliseconds idle_time{60'000};   ///< between requests
};

/// One client's connection: reads its requests one after the other and writes their answers.
///
/// One thread at a time, but for `cut`.
class Connection {
 public:
  /// `bodies` is the budget of all connections, and must outlive this.
  Connection(std::unique_ptr<Stream> stream, std::string peer, const HttpLimits& limits,
             BodyBudget& bodies, RefusalContent refusal);
  ~Connection();

  /// Reads a request, lets `handler` answer it (or refuses it), and says whether the connection can
  /// take another; not if it is the `last`.
  bool serve(const Handler& handler, const std::function<bool()>& last);
  /// Whether bytes of the next request are here already.
  bool buffered() const;
  /// Makes the client appear gone.
  void cut() { stream_->cut(); }
  int fd() const noexcept { return stream_->fd(); }

 private:
  /// False where the client went away before a request began.
  bool read_head(std::string& head);
  void read_body(const Framing& framing, Body& body);
  void read_chunks(Body& body, Deadline deadline);
  std::string read_line(Deadline deadline);
  void take(std::size_t size, Body& body, Deadline deadline);
  Stream::Status fill(Deadline deadline);
  void fill_or_reject(Deadline deadline);

  std::unique_ptr<Stream> stream_;
  std::string peer_;
  HttpLimits limits_;
  BodyBudget& bodies_;
  RefusalContent refusal_;
  std::string received_;  ///< and not yet taken
};

}  // namespace quern::serve
