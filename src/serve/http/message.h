#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/http/body.h"

namespace quern::serve {

/// Why the transport does not take a request: the status and the message of the answer.
class Rejection : public std::runtime_error {
 public:
  Rejection(int status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// What an answer carries.
struct Content {
  std::string type = {};
  std::string text = {};
};

/// What a refusal by the transport itself carries.
using RefusalContent = Content (*)(int status, std::string_view message);
/// The message alone.
Content plain_refusal(int status, std::string_view message);

/// Names in lower case.
using Headers = std::vector<std::pair<std::string, std::string>>;

/// One HTTP request, within the transport's limits.
struct Request {
  std::string method = {};
  std::string path = {};  ///< decoded, without the query
  std::string query = {};
  Headers headers = {};
  Body body = {};                                      ///< empty before `read_body`
  std::string peer = {};                               ///< the address it came from
  std::chrono::steady_clock::time_point started = {};  ///< when its head was read

  /// Reads the body from the client, so that one who may not ask need not be listened to. Once. An
  /// answer without it is the connection's last. Throws: Rejection.
  std::function<void()> read_body = {};

  /// The value of a header, named in lower case; empty where there is none.
  std::string_view header(std::string_view name) const noexcept;
  /// The decoded value of a parameter of the query; empty where there is none.
  std::string query_value(std::string_view name) const;
};

/// The way back to the client: `send` once, or `begin`, `write` any number of times and `end`.
///
/// One thread at a time. Nothing here throws for a client that has gone away: `gone` tells.
class Reply {
 public:
  virtual ~Reply() = default;

  /// Adds a header; before the answer begins.
  virtual void set_header(std::string_view name, std::string_view value) = 0;
  virtual void send(int status, std::string_view content_type, std::string_view body) = 0;
  virtual void begin(int status, std::string_view content_type) = 0;
  /// False where the client has gone away, or takes nothing within the time for writing.
  virtual bool write(std::string_view piece) = 0;
  /// Without it, the client sees an answer that broke off.
  virtual void end() = 0;
  /// Whether an answer has begun.
  virtual bool begun() const noexcept = 0;
  /// The status of the answer that has begun, or 0.
  virtual int status() const noexcept = 0;
  /// Whether the client has gone away. One that only says that it sends no more (half-closes) still
  /// gets its answer. One that closes looks the same until it is written to, so that the first
  /// bytes of what the answer goes on with are written here; a later call gives true once the
  /// client's system has refused them. Only within a body without chunks (HTTP/1.0) that waits for
  /// the next `write`.
  virtual bool gone() = 0;
};

/// Decodes %XX, and '+' where it means a space. False where that is malformed or hides a zero byte.
bool percent_decode(std::string_view text, bool plus_is_space, std::string& decoded);

}  // namespace quern::serve
