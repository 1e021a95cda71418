#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "quern/serve/client.h"

namespace quern::serve {

/// What came of one HTTP request.
struct HttpAnswer {
  int status = 0;  ///< 0: the server could not be reached, or the connection broke
  std::string retry_after;
  std::string body;      ///< of what was not received in pieces
  std::string failure;   ///< where `status` is 0
  bool stopped = false;  ///< by `receive`
};

/// Receives the body of an answer 200 in pieces; false ends it.
using Receive = std::function<bool(std::string_view piece)>;

/// HTTP and TLS for Client: the one user of cpp-httplib. One thread at a time, but for `interrupt`
/// and `resume`.
class HttpClient {
 public:
  explicit HttpClient(const ClientOptions& options);
  ~HttpClient();

  HttpAnswer send(const std::string& method, const std::string& path, const std::string& body,
                  const Receive& receive = {});
  /// Breaks the connection, also one that is only being made, and lets none be made until `resume`.
  void interrupt();
  void resume();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::serve
