#include "serve/http/transport.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <future>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include "quern/error.h"
#include "serve/http/worker_pool.h"
#include "serve/raw_client.h"

namespace quern::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void echo(Request& request, Reply& reply) {
  request.read_body();
  reply.send(200, "text/plain", request.method + " " + request.path + " " + request.body.text());
}

Transport started(Handler handler, HttpLimits limits = {}) {
  return {{.limits = limits}, std::move(handler)};
}

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

/// While it lives, no thread can be made: none is given so large a stack.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, std::size_t{1} << 46);
    REQUIRE(pthread_setattr_default_np(&attributes) == 0);
  }
  ~NoThreads() { pthread_setattr_default_np(&before_); }

 private:
  pthread_attr_t before_;
};

std::string post(const std::string& headers, const std::string& body) {
  return "POST /b HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body;
}

}  // namespace

TEST_CASE("a connection takes requests one after the other, pipelined ones too") {
  Transport transport = started(echo);
  transport.start();
  RawClient client(transport.port());
  client.send(kGet);
  const std::string first = client.read_response();
  CHECK(first.starts_with("HTTP/1.1 200 OK\r\nDate: "));
  CHECK(first.ends_with("\r\n\r\nGET /a "));
  client.send(post("Content-Length: 3\r\n", "xyz") + kGet);
  CHECK(client.read_response().ends_with("POST /b xyz"));
  CHECK(client.read_response().ends_with("GET /a "));
  CHECK(transport.connections() == 1);
}

TEST_CASE("where the system has no threads left, connections are closed and counted once") {
  WorkerPool pool;
  Transport transport = started(echo);
  transport.start();
  {
    const NoThreads none;
    bool ran = false;
    CHECK_THROWS_AS(pool.submit([&] { ran = true; }), std::system_error);
    CHECK_FALSE(ran);
    for (int i = 0; i < 5; ++i) {
      RawClient client(transport.port());
      client.send(kGet);
      CHECK(client.read_all().empty());
    }
    while (transport.connections() > 0) std::this_thread::yield();
  }
  RawClient client(transport.port());
  client.send(kGet);
  CHECK(client.read_response().ends_with("GET /a "));
  CHECK(transport.connections() == 1);
  std::promise<void> done;
  pool.submit([&] { done.set_value(); });
  done.get_future().wait();
}

TEST_CASE("a body comes in chunks, or after a 100 Continue") {
  Transport transport = started(echo);
  transport.start();
  RawClient client(transport.port());
  client.send(post("Transfer-Encoding: chunked\r\n",
                   "3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\n"));
  CHECK(client.read_response().ends_with("POST /b abc0123456789abcdef"));
  client.send(post("Content-Length: 2\r\nExpect: 100-continue\r\n", ""));
  CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ok");
  CHECK(client.read_response().ends_with("POST /b ok"));
}

TEST_CASE("an answer to HEAD has no body, one to HTTP/1.0 ends with the connection") {
  Transport transport = started([](const Request&, Reply& reply) {
    reply.begin(200, "text/plain");
    reply.write("one ");
    reply.write("two");
    reply.end();
  });
  transport.start();
  RawClient head(transport.port());
  head.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(head.read_all().ends_with("\r\n\r\n"));
  RawClient old(transport.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  CHECK(old.read_all().ends_with("\r\n\r\none two"));
  RawClient chunked(transport.port());
  chunked.send(kGet);
  CHECK(chunked.read_until("0\r\n\r\n").ends_with("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"));
}

TEST_CASE("what is too large, too slow or malformed gets a clear answer") {
  const HttpLimits limits{.max_header_bytes = 1000,
                          .max_body_bytes = 1000,
                          .head_time = milliseconds{100},
                          .body_time = milliseconds{100}};
  Transport transport = started(echo, limits);
  transport.start();
  const std::string huge(100'000'000, 'x');
  const std::pair<std::string, std::string> cases[] = {
      {post("X: " + huge.substr(0, 5000) + "\r\n", ""), "431"},
      {post("Content-Length: 1001\r\n", huge), "413"},
      {post("Transfer-Encoding: chunked\r\n", "3e9\r\n"), "413"},
      {post("Transfer-Encoding: chunked\r\n", "-1\r\n"), "400"},
      {post("Transfer-Encoding: chunked\r\n", "1\r\nabc\r\n"), "400"},
      {post("Transfer-Encoding: chunked\r\n", "1;a\nb\r\nx\r\n0\r\n\r\n"), "400"},
      {post("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\nT: a\nb\r\n\r\n"), "400"},
      {post("Transfer-Encoding: chunked\r\n", "3\r\nab"), "408"},
      {post("Content-Length: 5\r\n", "abc"), "408"},
      {"GET / HTTP/1.1\r\nHost", "408"},
      {"GET / HTTP/1.1\nHost: x\n\n", "400"},
      {std::string("\x16\x03\x01\x02\x00\n", 6), "400"},
  };
  for (const auto& [sent, status] : cases) {
    const std::string beginning = sent.substr(0, 80);
    CAPTURE(beginning);
    RawClient client(transport.port());
    client.send(sent);
    const std::string answer = client.read_all();
    CHECK(answer.starts_with("HTTP/1.1 " + status));
    CHECK(answer.find("Connection: close\r\n") != std::string::npos);
    CHECK(answer.find("Content-Type: text/plain; charset=utf-8\r\n") != std::string::npos);
  }
}

TEST_CASE("a client that closes its side in the middle of a request is told, and let go") {
  Transport transport = started(echo);
  transport.start();
  RawClient client(transport.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  client.half_close();
  CHECK(client.read_all().starts_with("HTTP/1.1 400"));
  RawClient silent(transport.port());
  silent.half_close();
  CHECK(silent.read_all().empty());
  RawClient whole(transport.port());
  whole.send(kGet);
  whole.half_close();
  CHECK(whole.read_all().ends_with("GET /a "));
}

TEST_CASE("a silent connection is closed after its time") {
  Transport transport = started(echo, {.idle_time = milliseconds{50}});
  transport.start();
  RawClient client(transport.port());
  CHECK(client.read_all().empty());
  CHECK(transport.connections() == 0);
}

TEST_CASE("connections beyond the limit are turned away") {
  Transport transport = started(echo, {.max_connections = 2});
  transport.start();
  RawClient first(transport.port());
  first.send(kGet);
  first.read_response();
  RawClient second(transport.port());
  second.send(kGet);
  second.read_response();
  RawClient third(transport.port());
  CHECK(third.read_all().starts_with("HTTP/1.1 503"));
  second.send(kGet);
  CHECK(second.read_response().ends_with("GET /a "));
}

TEST_CASE("a handler sees at once that its client has gone") {
  std::promise<void> entered;
  std::promise<milliseconds> noticed;
  std::chrono::steady_clock::time_point closed;
  Transport transport = started([&](const Request&, Reply& reply) {
    entered.set_value();
    while (!reply.gone()) std::this_thread::yield();
    noticed.set_value(
        std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - closed));
  });
  transport.start();
  RawClient client(transport.port());
  client.send(kGet);
  entered.get_future().wait();
  closed = std::chrono::steady_clock::now();
  client.close();
  CHECK(noticed.get_future().get() < milliseconds{200});
}

TEST_CASE("a client that sends no more gets its whole answer, however late it begins") {
  std::atomic<int> looks{0};
  const auto wait = [&](Reply& reply) {
    for (int i = 0; i < 20; ++i) {
      if (reply.gone()) return;
      ++looks;
      std::this_thread::sleep_for(milliseconds{2});
    }
  };
  Transport transport = started([&](const Request& request, Reply& reply) {
    if (request.path == "/whole") {
      wait(reply);
      return reply.send(200, "text/plain", "all of it");
    }
    reply.begin(200, "text/plain");
    wait(reply);
    reply.write("one ");
    wait(reply);
    reply.write("two");
    reply.end();
  });
  transport.start();
  const std::tuple<std::string, std::string, int> cases[] = {
      {"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nall of it", 20},
      {"GET /whole HTTP/1.0\r\n\r\n", "\r\n\r\nall of it", 20},
      {"GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n04\r\none \r\n3\r\ntwo\r\n0\r\n\r\n",
       40},
      {"GET /pieces HTTP/1.0\r\n\r\n", "\r\n\r\none two", 40},
      {"HEAD /pieces HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n", 40},
  };
  for (const auto& [sent, end, most] : cases) {
    CAPTURE(sent);
    looks = 0;
    RawClient client(transport.port());
    client.send(sent);
    client.half_close();
    const std::string answer = client.read_all();
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\nDate: "));
    CHECK(answer.ends_with(end));
    CHECK(looks == most);
  }
}

TEST_CASE("a handler sees at once that its client has gone in the midst of an answer") {
  std::promise<milliseconds> noticed;
  std::promise<std::chrono::steady_clock::time_point> left;
  Transport transport = started([&](const Request&, Reply& reply) {
    reply.begin(200, "text/plain");
    const auto when = left.get_future().get();
    while (!reply.gone()) std::this_thread::yield();
    noticed.set_value(std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - when));
  });
  transport.start();
  RawClient client(transport.port());
  client.send(kGet);
  client.read_until("\r\n\r\n");
  client.close();
  left.set_value(std::chrono::steady_clock::now());
  CHECK(noticed.get_future().get() < milliseconds{200});
}

TEST_CASE("a client that does not read is taken for gone after the time for writing") {
  std::promise<bool> wrote_all;
  Transport transport = started(
      [&](const Request&, Reply& reply) {
        reply.begin(200, "text/plain");
        bool fine = true;
        const std::string piece(1 << 20, 'x');
        for (int i = 0; i < 64 && fine; ++i) fine = reply.write(piece);
        wrote_all.set_value(fine);
      },
      {.write_time = milliseconds{50}});
  transport.start();
  RawClient client(transport.port());
  client.send(kGet);
  CHECK_FALSE(wrote_all.get_future().get());
}

TEST_CASE("stop lets what runs finish, and cuts off what takes too long") {
  std::promise<void> entered;
  std::promise<void> release;
  Transport transport = started([&](const Request& request, Reply& reply) {
    if (request.path == "/a") {
      entered.set_value();
      release.get_future().wait();
      reply.send(200, "text/plain", "finished");
    } else {
      entered.set_value();
      while (!reply.gone()) std::this_thread::yield();
    }
  });
  transport.start();
  RawClient client(transport.port());
  RawClient idle(transport.port());
  client.send(kGet);
  entered.get_future().wait();
  std::thread stopping([&] { transport.stop(seconds{60}); });
  CHECK(idle.read_all().empty());
  release.set_value();
  const std::string answer = client.read_all();
  CHECK(answer.ends_with("finished"));
  CHECK(answer.find("Connection: close") != std::string::npos);
  stopping.join();

  entered = {};
  Transport another = started([&](const Request&, Reply& reply) {
    entered.set_value();
    while (!reply.gone()) std::this_thread::yield();
  });
  another.start();
  RawClient endless(another.port());
  endless.send(kGet);
  entered.get_future().wait();
  another.stop(milliseconds{0});
  CHECK(endless.read_all().empty());
}

TEST_CASE("a handler that throws gives 500") {
  Transport transport = started([](const Request&, Reply&) { throw std::runtime_error("secret"); });
  transport.start();
  RawClient client(transport.port());
  client.send(kGet);
  const std::string answer = client.read_all();
  CHECK(answer.starts_with("HTTP/1.1 500"));
  CHECK(answer.find("secret") == std::string::npos);
}

TEST_CASE("many clients at once are all answered") {
  Transport transport = started(echo);
  transport.start();
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      RawClient client(transport.port());
      for (int round = 0; round < 50; ++round) {
        client.send(kGet);
        if (client.read_response().ends_with("GET /a ")) ++answered;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(answered == 16 * 50);
}

TEST_CASE("an address that cannot be listened on is an error") {
  Transport transport = started(echo);
  CHECK_THROWS_AS(Transport({.port = transport.port()}, echo), Error);
  CHECK_THROWS_AS(Transport({.host = "nowhere.invalid"}, echo), Error);
  CHECK_THROWS_AS(Transport({.certificate = "/nowhere", .private_key = "/nowhere"}, echo), Error);
}

TEST_CASE("only addresses of this machine are loopback") {
  CHECK(is_loopback("127.0.0.1"));
  CHECK(is_loopback("127.8.8.8"));
  CHECK(is_loopback("::1"));
  CHECK_FALSE(is_loopback("0.0.0.0"));
  CHECK_FALSE(is_loopback("192.168.0.1"));
}

}  // namespace quern::serve
