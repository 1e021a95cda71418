#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "serve/http/head.h"

using namespace std::literals;

namespace quern::serve {
namespace {

int status_of(const std::string& head) {
  Request request;
  try {
    parse_head(head, request);
  } catch (const Rejection& rejection) {
    return rejection.status();
  }
  return 200;
}

const std::string kHost = "Host: localhost\r\n";

std::string post(const std::string& headers) {
  return "POST / HTTP/1.1\r\n" + kHost + headers + "\r\n";
}

}  // namespace

TEST_CASE("a head gives method, decoded path, query and headers in lower case") {
  Request request;
  const Framing framing = parse_head(
      "POST /v2/models/a%20b/infer?x=1&key=a+b%2f HTTP/1.1\r\nHost: h\r\nX-Some:  a b \t\r\n"
      "content-length: 12\r\n\r\n",
      request);
  CHECK(request.method == "POST");
  CHECK(request.path == "/v2/models/a b/infer");
  CHECK(request.header("x-some") == "a b");
  CHECK(request.header("absent").empty());
  CHECK(request.query_value("key") == "a b/");
  CHECK(request.query_value("x") == "1");
  CHECK(request.query_value("y").empty());
  CHECK(framing.content_length == 12);
  CHECK(framing.keep_alive);
  CHECK_FALSE(framing.chunked);
}

TEST_CASE("a connection stays open as its version and its headers say") {
  Request request;
  CHECK_FALSE(parse_head("GET / HTTP/1.0\r\n\r\n", request).keep_alive);
  CHECK(parse_head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", request).keep_alive);
  CHECK_FALSE(parse_head(post("Connection: close\r\n"), request).keep_alive);
}

TEST_CASE("an absolute target gives its path") {
  Request request;
  parse_head("GET http://host:80/a?b HTTP/1.1\r\n" + kHost + "\r\n", request);
  CHECK(request.path == "/a");
  CHECK(request.query == "b");
}

TEST_CASE("what can be read in two ways is refused") {
  for (const std::string_view headers : std::initializer_list<std::string_view>{
           "Content-Length: 1\r\nContent-Length: 1\r\n",
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Content-Length: +1\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 1, 1\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999\r\n",
           "Host: other\r\n",
           "X-Folded: a\r\n b\r\n",
           "X Space: a\r\n",
           "X-Space : a\r\n",
           "NoColon\r\n",
           ": empty\r\n",
           "X-Control: a\x01\r\n",
           "X-Line: a\nContent-Length: 1\r\n",
           "X-Zero: a\0b\r\n"sv,
           "X-Zero\0: a\r\n"sv,
           "\0"sv,
       }) {
    CAPTURE(headers);
    CHECK(status_of(post(std::string(headers))) == 400);
  }
  CHECK(status_of(post("Transfer-Encoding: gzip, chunked\r\n")) == 501);
  CHECK(status_of(post("Expect: magic\r\n")) == 417);
}

TEST_CASE("a malformed request line is refused") {
  for (const std::string_view line : std::initializer_list<std::string_view>{
           "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
           "GET x HTTP/1.1", "G@T / HTTP/1.1", "GET /%zz HTTP/1.1", "GET /%00 HTTP/1.1",
           "GET /% HTTP/1.1", "GET /\x80 HTTP/1.1", "GET / FTP/1.1", "ABCDEFGHIJKLMNOPQ / HTTP/1.1",
           "", "GET /\0 HTTP/1.1"sv, "GET\0 / HTTP/1.1"sv}) {
    CAPTURE(line);
    CHECK(status_of(std::string(line) + "\r\n" + kHost + "\r\n") == 400);
  }
  CHECK(status_of("GET / HTTP/2.0\r\n" + kHost + "\r\n") == 505);
  CHECK(status_of("GET / HTTP/1.1\0\r\n"s + kHost + "\r\n") == 505);
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of(post("")) == 200);
}

TEST_CASE("headers are bounded in number") {
  std::string headers;
  for (int i = 0; i < 101; ++i) headers += "X-A: b\r\n";
  CHECK(status_of(post(headers)) == 431);
}

TEST_CASE("the size of a chunk is hexadecimal, with extensions") {
  CHECK(parse_chunk_size("1f") == 31);
  CHECK(parse_chunk_size("A ; name=value") == 10);
  for (const char* line : {"", "-1", "g", "0x1", "1 2", ";a", "1111111111111111", " 1", "1 ", "\t1",
                           "1\n", "1\r", "1;a\nb", "1;a\rb", "1;a=\"\x01\"", "1;\x7f"}) {
    CAPTURE(line);
    CHECK_THROWS_AS(parse_chunk_size(line), Rejection);
  }
  CHECK_THROWS_AS(parse_chunk_size(std::string_view("1;a\0b", 5)), Rejection);
  CHECK(parse_chunk_size("1\t;a=\"b c\"") == 1);
}

TEST_CASE("a trailer is a header") {
  check_trailer("X-Sum: 1 2\t3");
  for (const char* line : {"no colon", ": x", "a b: c", "A: b\nc", "A: b\rc", "A: \x01"}) {
    CAPTURE(line);
    CHECK_THROWS_AS(check_trailer(line), Rejection);
  }
  CHECK_THROWS_AS(check_trailer(std::string_view("A: b\0c", 6)), Rejection);
}

}  // namespace quern::serve
