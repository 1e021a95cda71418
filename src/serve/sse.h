#pragma once

#include <string>
#include <string_view>

#include "serve/http/message.h"

namespace quern::serve {

/// Server-sent events on a reply. One thread at a time.
class EventStream {
 public:
  /// Begins the answer.
  explicit EventStream(Reply& reply) : reply_(reply) {
    reply.set_header("Cache-Control", "no-cache");
    reply.set_header("X-Accel-Buffering", "no");
    reply.begin(200, "text/event-stream; charset=utf-8");
  }

  /// Adds an event of one line to those that `flush` sends.
  void add(std::string_view data) { (pending_ += "data: ").append(data) += "\n\n"; }
  /// Drops what was added and not sent.
  void clear() { pending_.clear(); }
  /// False where the client has gone.
  bool flush() {
    const bool sent = reply_.write(pending_);
    pending_.clear();
    return sent;
  }

 private:
  Reply& reply_;
  std::string pending_;
};

}  // namespace quern::serve
