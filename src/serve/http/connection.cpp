#include "serve/http/connection.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace quern::serve {
namespace {

constexpr std::string_view kVersion = "HTTP/1.1 ";
constexpr std::size_t kReadSize = 16384;
constexpr std::chrono::milliseconds kLingerTime{2000};

Deadline from_now(std::chrono::milliseconds time) { return Deadline::clock::now() + time; }

class ConnectionReply : public Reply {
 public:
  ConnectionReply(Stream& stream, const HttpLimits& limits, std::function<bool()> last)
      : stream_(stream), limits_(limits), last_(std::move(last)) {}

  void describe(bool head_only, bool http10, bool keep_alive) {
    head_only_ = head_only;
    http10_ = http10;
    keep_alive_ = keep_alive;
  }

  void set_header(std::string_view name, std::string_view value) override {
    fmt::format_to(std::back_inserter(headers_), "{}: {}\r\n", name, value);
  }

  void send(int status, std::string_view content_type, std::string_view body) override {
    set_header("Content-Length", std::to_string(body.size()));
    std::string message = open(status, content_type);
    if (!head_only_) message += body;
    put(message);
    ended_ = true;
  }

  void begin(int status, std::string_view content_type) override {
    chunked_ = !http10_;
    if (chunked_) {
      set_header("Transfer-Encoding", "chunked");
    } else {
      keep_alive_ = false;
    }
    put(open(status, content_type));
  }

  bool write(std::string_view piece) override {
    if (piece.empty() || head_only_) return !broken_;
    if (!chunked_) return put(piece);
    return put(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
  }

  void end() override {
    if (chunked_ && !head_only_) put("0\r\n\r\n");
    ended_ = true;
  }

  bool begun() const noexcept override { return status_ != 0; }
  int status() const noexcept override { return status_; }
  bool gone() override {
    Stream::Peer peer = stream_.peer();
    if (peer == Stream::Peer::done && !probed_ && !ended_) {
      probe();
      peer = stream_.peer();
    }
    return broken_ || peer == Stream::Peer::gone;
  }

  void close_after() { keep_alive_ = false; }
  bool whole() const { return ended_ && !broken_; }
  bool keep_alive() const { return keep_alive_ && whole(); }

 private:
  std::string open(int status, std::string_view content_type) {
    if (last_()) keep_alive_ = false;
    status_ = status;
    return fmt::format(
        "{}{} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S GMT}\r\n"
        "Connection: {}\r\nContent-Type: {}\r\n{}\r\n",
        probed_ ? "" : kVersion, status, reason_phrase(status), fmt::gmtime(std::time(nullptr)),
        keep_alive_ ? "keep-alive" : "close", content_type, headers_);
  }

  /// Writes what changes nothing of the answer: its first bytes, or a zero in front of the size of
  /// the next chunk.
  void probe() {
    probed_ = true;
    keep_alive_ = false;
    if (!begun()) {
      put(kVersion);
    } else if (chunked_ && !head_only_) {
      put("0");
    }
  }

  bool put(std::string_view bytes) {
    if (!broken_) {
      broken_ = stream_.write(bytes, from_now(limits_.write_time)) != Stream::Status::ok;
    }
    return !broken_;
  }

  Stream& stream_;
  const HttpLimits& limits_;
  std::function<bool()> last_;
  std::string headers_;
  int status_ = 0;
  bool head_only_ = false;
  bool http10_ = false;
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool ended_ = false;
  bool broken_ = false;
  bool probed_ = false;
};

/// Where a head ends, its empty line included; npos where that has not come. Looks from `from` on.
std::size_t end_of_head(std::string_view received, std::size_t from) {
  for (std::size_t i = from; i < received.size(); ++i) {
    if (received[i] != '\n') continue;
    if (i == 0 || received[i - 1] != '\r') throw Rejection(400, "malformed line");
    if (received.substr(i - 1, 4) == "\r\n\r\n") return i + 3;
  }
  return std::string::npos;
}

void answer(const Handler& handler, Request& request, Reply& reply) {
  try {
    handler(request, reply);
  } catch (const Rejection&) {
    throw;
  } catch (...) {
    throw Rejection(500, "the server failed");
  }
}

}  // namespace

Connection::Connection(std::unique_ptr<Stream> stream, std::string peer, const HttpLimits& limits,
                       BodyBudget& bodies, RefusalContent refusal)
    : stream_(std::move(stream)),
      peer_(std::move(peer)),
      limits_(limits),
      bodies_(bodies),
      refusal_(refusal) {}

Connection::~Connection() = default;

bool Connection::buffered() const { return !received_.empty() || stream_->buffered(); }

bool Connection::serve(const Handler& handler, const std::function<bool()>& last) {
  bool unread = false;  // a body, or a part of it, is still to come
  ConnectionReply reply(*stream_, limits_, [&] { return unread || last(); });
  bool refused = false;
  try {
    Request request{.body = Body(bodies_)};
    std::string head;
    if (!stream_->open(from_now(limits_.head_time)) || !read_head(head)) return false;
    const Framing framing = parse_head(head, request);
    reply.describe(request.method == "HEAD", framing.http10, framing.keep_alive);
    request.started = Deadline::clock::now();
    request.peer = peer_;
    unread = framing.chunked || framing.content_length.value_or(0) > 0;
    request.read_body = [&] {
      read_body(framing, request.body);
      unread = false;
    };
    answer(handler, request, reply);
  } catch (const Rejection& rejection) {
    refused = !reply.begun();
    reply.close_after();
    if (refused) {
      const Content content = refusal_(rejection.status(), rejection.what());
      reply.send(rejection.status(), content.type, content.text);
    }
  }
  if (reply.keep_alive()) return true;
  if (refused || reply.whole()) stream_->finish(from_now(kLingerTime));
  return false;
}

bool Connection::read_head(std::string& head) {
  const Deadline deadline = from_now(limits_.head_time);
  const auto most = static_cast<std::size_t>(limits_.max_header_bytes);
  std::size_t checked = 0;
  for (;;) {
    while (received_.starts_with("\r\n")) received_.erase(0, 2);  // RFC 9112, section 2.2
    const std::size_t end = end_of_head(received_, checked);
    if (std::min(end, received_.size()) > most) {
      throw Rejection(431, fmt::format("the headers take more than {} bytes", most));
    }
    if (end != std::string::npos) {
      head = received_.substr(0, end);
      received_.erase(0, end);
      return true;
    }
    checked = received_.size() < 3 ? 0 : received_.size() - 3;
    const bool silent = received_.empty();
    const Stream::Status status = fill(deadline);
    if (status == Stream::Status::ok) continue;
    if (silent) return false;
    if (status == Stream::Status::timeout) {
      throw Rejection(408, "the request did not come in time");
    }
    throw Rejection(400, "the request broke off");
  }
}

void Connection::read_body(const Framing& framing, Body& body) {
  const std::int64_t length = framing.content_length.value_or(0);
  if (length > limits_.max_body_bytes) {
    throw Rejection(
        413, fmt::format("the body has {} bytes, at most {}", length, limits_.max_body_bytes));
  }
  if (!framing.chunked && length == 0) return;
  const Deadline deadline = from_now(limits_.body_time);
  if (framing.expects_continue && received_.empty()) {
    stream_->write("HTTP/1.1 100 Continue\r\n\r\n", deadline);
  }
  if (framing.chunked) {
    read_chunks(body, deadline);
  } else {
    body.reserve(static_cast<std::size_t>(length));
    take(static_cast<std::size_t>(length), body, deadline);
  }
}

void Connection::read_chunks(Body& body, Deadline deadline) {
  for (;;) {
    const std::int64_t size = parse_chunk_size(read_line(deadline));
    if (size == 0) break;
    if (size > limits_.max_body_bytes - static_cast<std::int64_t>(body.text().size())) {
      throw Rejection(413, fmt::format("the body has more than {} bytes", limits_.max_body_bytes));
    }
    take(static_cast<std::size_t>(size), body, deadline);
    if (!read_line(deadline).empty()) throw Rejection(400, "malformed chunk");
  }
  std::size_t trailers = 0;
  for (std::string line = read_line(deadline); !line.empty(); line = read_line(deadline)) {
    check_trailer(line);
    trailers += line.size();
    if (trailers > static_cast<std::size_t>(limits_.max_header_bytes)) {
      throw Rejection(431, "the trailers are too long");
    }
  }
}

std::string Connection::read_line(Deadline deadline) {
  constexpr std::size_t kMaxLine = 4096;
  for (;;) {
    const std::size_t end = received_.find("\r\n");
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 2);
      return line;
    }
    if (received_.size() > kMaxLine) throw Rejection(400, "malformed chunk");
    fill_or_reject(deadline);
  }
}

void Connection::take(std::size_t size, Body& body, Deadline deadline) {
  while (size > 0) {
    if (received_.empty()) fill_or_reject(deadline);
    const std::size_t part = std::min(size, received_.size());
    body.append(std::string_view(received_).substr(0, part));
    received_.erase(0, part);
    size -= part;
  }
}

Stream::Status Connection::fill(Deadline deadline) {
  std::array<char, kReadSize> buffer;
  std::size_t size = 0;
  const Stream::Status status = stream_->read(buffer, size, deadline);
  if (status == Stream::Status::ok) received_.append(buffer.data(), size);
  return status;
}

void Connection::fill_or_reject(Deadline deadline) {
  switch (fill(deadline)) {
    case Stream::Status::ok:
      return;
    case Stream::Status::timeout:
      throw Rejection(408, "the body did not come in time");
    default:
      throw Rejection(400, "the body broke off");
  }
}

}  // namespace quern::serve
