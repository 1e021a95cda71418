#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace quern::serve {

using Deadline = std::chrono::steady_clock::time_point;

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// A listening TCP socket, non-blocking. `port` 0 takes any that is free. Throws:
/// `invalid_argument` where the address is unknown or taken.
Descriptor listen_on(const std::string& host, int port);
/// The port that a listening socket has.
int port_of(const Descriptor& listening);
/// Whether only programs of this machine reach `host`. Throws: `invalid_argument` for no address.
bool is_loopback(const std::string& host);

/// Bytes to and from a client; every wait ends at a deadline. One thread at a time, but for
/// `cut` and `peer`.
class Stream {
 public:
  enum class Status { ok, end, timeout, failed };

  explicit Stream(Descriptor socket);
  virtual ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// What must happen before the first byte; false where it fails.
  virtual bool open(Deadline) { return true; }
  /// Reads at least one byte, and says how many.
  virtual Status read(std::span<char> buffer, std::size_t& size, Deadline deadline);
  /// Writes all of it.
  virtual Status write(std::string_view bytes, Deadline deadline);
  /// Whether bytes were received that `read` would give without waiting for the socket.
  virtual bool buffered() const { return false; }

  /// What the client was last heard to do. One that closed its socket is `done` like one that waits
  /// for the answer, until it is written to: then it is `gone`.
  enum class Peer { here, done, gone };
  Peer peer() const;
  /// Makes all reads and writes fail from now on.
  void cut();
  /// Says that nothing more comes, and takes what the client still sends for a while, so that it
  /// can read the answer.
  virtual void finish(Deadline deadline);

  int fd() const noexcept { return socket_.get(); }

 protected:
  enum class Wait { readable, writable };
  Status wait(Wait what, Deadline deadline) const;

 private:
  Descriptor socket_;
};

}  // namespace quern::serve
