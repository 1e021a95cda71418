#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

namespace quern::serve {

/// A client that sends just the bytes it is told to, over a plain socket to this machine.
class RawClient {
 public:
  explicit RawClient(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  /// False where the server has closed the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Reads until the text occurs, or the server closes; what came after it stays for the next call.
  std::string read_until(std::string_view text) {
    for (;;) {
      if (const std::size_t at = received_.find(text); at != std::string::npos) {
        std::string result = received_.substr(0, at + text.size());
        received_.erase(0, at + text.size());
        return result;
      }
      if (!read_more()) return std::exchange(received_, {});
    }
  }
  std::string read_all() {
    while (read_more()) {
    }
    return std::exchange(received_, {});
  }
  /// One response with a Content-Length: its head and its body.
  std::string read_response() {
    std::string head = read_until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    const std::size_t size = std::stoul(head.substr(at + 16));
    while (received_.size() < size && read_more()) {
    }
    head += received_.substr(0, size);
    received_.erase(0, size);
    return head;
  }

  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  bool read_more() {
    std::array<char, 65536> buffer;
    ssize_t got = 0;
    do {  // with a timeout, any signal ends it, one that nobody handles too
      got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    received_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  std::string received_;
};

}  // namespace quern::serve
