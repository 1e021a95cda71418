#include "serve/http/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr int kBacklog = 512;

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    fail(ErrorCode::invalid_argument, "serve: host \"{}\": {}", host, gai_strerror(error));
  }
  return Addresses(found);
}

bool is_loopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
  }
  return false;
}

/// Milliseconds until a deadline, rounded up, for poll.
int until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - Deadline::clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

}  // namespace

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Descriptor listen_on(const std::string& host, int port) {
  int error = 0;
  const Addresses addresses = resolve(host, port);
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Descriptor socket(::socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (socket && setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        ::bind(socket.get(), at->ai_addr, at->ai_addrlen) == 0 &&
        ::listen(socket.get(), kBacklog) == 0) {
      return socket;
    }
    error = errno;
  }
  fail(ErrorCode::invalid_argument, "serve: cannot listen on {} port {}: {}", host, port,
       std::strerror(error));
}

int port_of(const Descriptor& listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size);
  sockaddr_in v4;  // where the port is, IPv6 has it too
  std::memcpy(&v4, &address, sizeof v4);
  return ntohs(v4.sin_port);
}

bool is_loopback(const std::string& host) {
  const Addresses addresses = resolve(host, 0);
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    if (!is_loopback(*at->ai_addr)) return false;
  }
  return true;
}

Stream::Stream(Descriptor socket) : socket_(std::move(socket)) {
  const int on = 1;
  setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

Stream::~Stream() = default;

Stream::Status Stream::wait(Wait what, Deadline deadline) const {
  const short wanted = what == Wait::readable ? POLLIN : POLLOUT;
  pollfd entry{fd(), wanted, 0};
  for (;;) {
    const int ready = ::poll(&entry, 1, until(deadline));
    if (ready > 0) return (entry.revents & wanted) != 0 ? Status::ok : Status::failed;
    if (ready == 0) return Status::timeout;
    if (errno != EINTR) return Status::failed;
  }
}

Stream::Status Stream::read(std::span<char> buffer, std::size_t& size, Deadline deadline) {
  for (;;) {
    const ssize_t got = ::recv(fd(), buffer.data(), buffer.size(), 0);
    if (got >= 0) {
      size = static_cast<std::size_t>(got);
      return got > 0 ? Status::ok : Status::end;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Status::failed;
    if (const Status status = wait(Wait::readable, deadline); status != Status::ok) return status;
  }
}

Stream::Status Stream::write(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Status::failed;
    if (const Status status = wait(Wait::writable, deadline); status != Status::ok) return status;
  }
  return Status::ok;
}

Stream::Peer Stream::peer() const {
  pollfd entry{fd(), POLLRDHUP, 0};
  if (::poll(&entry, 1, 0) <= 0) return Peer::here;
  return (entry.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 ? Peer::gone : Peer::done;
}

void Stream::cut() { ::shutdown(fd(), SHUT_RDWR); }

void Stream::finish(Deadline deadline) {
  constexpr std::size_t kMaxTaken = std::size_t{1} << 26;
  ::shutdown(fd(), SHUT_WR);
  std::array<char, 16384> ignored;
  std::size_t taken = 0;
  std::size_t size = 0;
  while (taken < kMaxTaken && Stream::read(ignored, size, deadline) == Status::ok) taken += size;
}

}  // namespace quern::serve
