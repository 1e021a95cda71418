#include "serve/http/head.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace quern::serve {
namespace {

constexpr std::size_t kMaxHeaders = 100;
constexpr std::size_t kMaxMethod = 16;
constexpr std::size_t kMaxLengthDigits = 18;

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Such as no value may have: a tab is a space.
bool has_controls(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return is_control(c) && c != '\t'; });
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

constexpr std::string_view kSpaces = " \t";

std::string_view trim_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

std::string_view trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  return trim_end(text);
}

/// Takes a line off `rest`.
std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) throw Rejection(400, "a line does not end");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

void parse_target(std::string_view target, Request& request) {
  if (target.starts_with("http://") || target.starts_with("https://")) {
    const std::size_t path = target.find('/', target.find("//") + 2);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  const bool printable = std::ranges::none_of(
      target, [](char c) { return is_control(c) || static_cast<unsigned char>(c) > 0x7e; });
  if (!target.starts_with('/') || !printable) throw Rejection(400, "malformed request target");
  const std::size_t question = std::min(target.find('?'), target.size());
  request.query = target.substr(std::min(target.size(), question + 1));
  if (!percent_decode(target.substr(0, question), false, request.path)) {
    throw Rejection(400, "malformed request target");
  }
}

void parse_request_line(std::string_view line, Request& request, Framing& framing) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || !is_token(line.substr(0, first)) ||
      first > kMaxMethod || line.find(' ', first + 1) != last) {
    throw Rejection(400, "malformed request line");
  }
  const std::string_view version = line.substr(last + 1);
  if (!version.starts_with("HTTP/")) throw Rejection(400, "malformed request line");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    throw Rejection(505, "this server speaks HTTP/1.1");
  }
  framing.http10 = version == "HTTP/1.0";
  framing.keep_alive = !framing.http10;
  request.method = line.substr(0, first);
  parse_target(line.substr(first + 1, last - first - 1), request);
}

void parse_header(std::string_view line, Headers& headers) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    throw Rejection(400, "malformed header");
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (has_controls(value)) {
    throw Rejection(400, "malformed header");
  }
  if (headers.size() == kMaxHeaders) throw Rejection(431, "too many headers");
  headers.emplace_back(lower(line.substr(0, colon)), value);
}

std::int64_t parse_length(std::string_view text) {
  std::int64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > kMaxLengthDigits || !digits || error != std::errc{} ||
      end != text.data() + text.size()) {
    throw Rejection(400, "malformed Content-Length");
  }
  return length;
}

void read_framing(const Headers& headers, Framing& framing) {
  std::size_t hosts = 0;
  std::size_t transfer_encodings = 0;
  for (const auto& [name, value] : headers) {
    if (name == "host") {
      ++hosts;
    } else if (name == "content-length") {
      if (framing.content_length) throw Rejection(400, "more than one Content-Length");
      framing.content_length = parse_length(value);
    } else if (name == "transfer-encoding") {
      if (lower(value) != "chunked") throw Rejection(501, "the only transfer encoding is chunked");
      ++transfer_encodings;
    } else if (name == "connection") {
      const std::string options = lower(value);
      if (options.find("close") != std::string::npos) framing.keep_alive = false;
      if (framing.http10 && options == "keep-alive") framing.keep_alive = true;
    } else if (name == "expect") {
      if (lower(value) != "100-continue") throw Rejection(417, "unknown expectation");
      framing.expects_continue = true;
    }
  }
  framing.chunked = transfer_encodings == 1;
  if (hosts > 1 || (hosts == 0 && !framing.http10)) throw Rejection(400, "one Host is required");
  if (transfer_encodings > 1 || (framing.chunked && (framing.content_length || framing.http10))) {
    throw Rejection(400, "the length of the body is given in two ways");
  }
}

}  // namespace

Framing parse_head(std::string_view head, Request& request) {
  Framing framing;
  parse_request_line(next_line(head), request, framing);
  request.headers.clear();
  for (std::string_view line = next_line(head); !line.empty(); line = next_line(head)) {
    parse_header(line, request.headers);
  }
  read_framing(request.headers, framing);
  return framing;
}

void check_trailer(std::string_view line) {
  Headers headers;
  parse_header(line, headers);
}

std::int64_t parse_chunk_size(std::string_view line) {
  constexpr std::size_t kMaxDigits = 15;
  if (has_controls(line)) throw Rejection(400, "malformed chunk");
  const std::size_t extensions = std::min(line.find(';'), line.size());
  // Spaces may stand before an extension, and nowhere else.
  const std::string_view digits =
      extensions == line.size() ? line : trim_end(line.substr(0, extensions));
  std::int64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (digits.empty() || digits.size() > kMaxDigits || digits.front() == '-' ||
      error != std::errc{} || end != digits.data() + digits.size()) {
    throw Rejection(400, "malformed chunk");
  }
  return size;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace quern::serve
