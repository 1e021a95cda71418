#include "serve/http/transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serve/error.h"
#include "serve/http/tls.h"
#include "serve/http/worker_pool.h"

namespace quern::serve {
namespace {

constexpr std::chrono::seconds kSweepInterval{1};
constexpr std::chrono::milliseconds kFullPause{10};  // the system has no descriptor left

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

/// Turns away a connection beyond the limit, without waiting for anything.
void turn_away(const Descriptor& socket, RefusalContent refusal) {
  const Content content = refusal(503, "too many connections");
  const std::string message = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
      "Content-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
      content.type, content.text.size(), content.text);
  [[maybe_unused]] const auto sent =
      ::send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

struct Transport::Impl {
  struct Idle {
    std::shared_ptr<Connection> connection;
    Deadline until;
  };

  Impl(const TransportOptions& options, Handler handle)
      : limits(options.limits),
        refusal(options.refusal),
        bodies(options.limits.max_bodies_bytes),
        handler(std::move(handle)) {
    if (!options.certificate.empty()) {
      tls = std::make_unique<TlsContext>(options.certificate, options.private_key);
    }
    listening = listen_on(options.host, options.port);
    port = port_of(listening);
    events = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
    wake = Descriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!events || !wake) fail(ErrorCode::internal, "serve: {}", std::strerror(errno));
    watch(wake.get());
  }

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.fd = fd;
    ::epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event);
  }
  void unwatch(int fd) const { ::epoll_ctl(events.get(), EPOLL_CTL_DEL, fd, nullptr); }

  /// Watches the listening socket and the idle connections, until the transport stops.
  void watch_all() {
    std::array<epoll_event, 64> ready{};
    Deadline next_sweep = Deadline::clock::now() + kSweepInterval;
    while (!stopping) {
      const int count = ::epoll_wait(events.get(), ready.data(), ready.size(), 1000);
      for (int i = 0; i < count; ++i) {
        const int fd = ready[static_cast<std::size_t>(i)].data.fd;
        if (fd == listening.get()) {
          accept_all();
        } else if (fd != wake.get()) {
          run(fd);
        }
      }
      if (Deadline::clock::now() >= next_sweep) {
        sweep();
        next_sweep = Deadline::clock::now() + kSweepInterval;
      }
    }
  }

  void accept_all() {
    for (;;) {
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      Descriptor socket(::accept4(listening.get(), reinterpret_cast<sockaddr*>(&address), &size,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket) {
        if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(kFullPause);
        return;
      }
      if (open >= limits.max_connections) {
        turn_away(socket, refusal);
        continue;
      }
      ++open;
      auto stream =
          tls ? tls->wrap(std::move(socket)) : std::make_unique<Stream>(std::move(socket));
      park(std::make_shared<Connection>(std::move(stream), address_text(address), limits, bodies,
                                        refusal));
    }
  }

  /// Lets a connection wait for its next request.
  void park(std::shared_ptr<Connection> connection) {
    const std::lock_guard lock(mutex);
    if (stopping) {
      --open;
      return;
    }
    const int fd = connection->fd();
    idle[fd] = {std::move(connection), Deadline::clock::now() + limits.idle_time};
    watch(fd);
  }

  /// Hands an idle connection that has something to read to a thread.
  void run(int fd) {
    std::shared_ptr<Connection> connection;
    {
      const std::lock_guard lock(mutex);
      const auto found = idle.find(fd);
      if (found == idle.end()) return;
      connection = std::move(found->second.connection);
      idle.erase(found);
      unwatch(fd);
      active[fd] = connection.get();
    }
    try {
      workers.submit([this, connection]() mutable { serve(std::move(connection)); });
    } catch (const std::exception&) {  // no threads or memory left: the connection is closed
      end(*connection);
    }
  }

  void serve(std::shared_ptr<Connection> connection) {
    bool keep = true;
    do {
      keep = connection->serve(handler, [this] { return stopping.load(); });
    } while (keep && !stopping && connection->buffered());
    if (!keep || stopping) return end(*connection);
    {
      const std::lock_guard lock(mutex);
      active.erase(connection->fd());
    }
    none_active.notify_all();
    park(std::move(connection));
  }

  void end(const Connection& connection) {
    {
      const std::lock_guard lock(mutex);
      active.erase(connection.fd());
      --open;
    }
    none_active.notify_all();
  }

  /// Closes what was silent too long. They are no longer counted when their clients see it.
  void sweep() {
    std::vector<std::shared_ptr<Connection>> silent;
    const std::lock_guard lock(mutex);
    const Deadline now = Deadline::clock::now();
    std::erase_if(idle, [&](auto& entry) {
      if (entry.second.until > now) return false;
      silent.push_back(std::move(entry.second.connection));
      return true;
    });
    open -= std::ssize(silent);
  }

  void stop(std::chrono::milliseconds drain) {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
      open -= static_cast<std::int64_t>(idle.size());
      idle.clear();
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof one);
    if (watcher.joinable()) watcher.join();
    listening = Descriptor();
    std::unique_lock lock(mutex);
    const auto none = [this] { return active.empty(); };
    if (none_active.wait_for(lock, drain, none)) return;
    for (const auto& [fd, connection] : active) connection->cut();
    none_active.wait(lock, none);
  }

  HttpLimits limits;
  RefusalContent refusal;
  BodyBudget bodies;
  Handler handler;
  std::unique_ptr<TlsContext> tls;
  Descriptor listening;
  Descriptor events;
  Descriptor wake;
  int port = 0;
  std::atomic<bool> stopping{false};
  std::atomic<std::int64_t> open{0};
  std::mutex mutex;
  std::condition_variable none_active;
  std::unordered_map<int, Idle> idle;
  std::unordered_map<int, Connection*> active;
  std::thread watcher;
  WorkerPool workers;  // last: its threads use all of the above
};

Transport::Transport(const TransportOptions& options, Handler handler)
    : impl_(std::make_unique<Impl>(options, std::move(handler))) {}

Transport::~Transport() { stop(std::chrono::milliseconds{0}); }

int Transport::port() const noexcept { return impl_->port; }

void Transport::start() {
  impl_->watch(impl_->listening.get());
  impl_->watcher = std::thread([impl = impl_.get()] { impl->watch_all(); });
}

void Transport::stop(std::chrono::milliseconds drain) { impl_->stop(drain); }

std::int64_t Transport::connections() const noexcept { return impl_->open; }

std::int64_t Transport::body_bytes() const noexcept { return impl_->bodies.held(); }

}  // namespace quern::serve
