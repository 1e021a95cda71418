#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "serve/http/message.h"

namespace quern::serve {

/// What the head of a request says of its body and of the connection.
struct Framing {
  std::optional<std::int64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool http10 = false;
};

/// Parses a request line and its headers, the empty line included, strictly by RFC 9112: whatever
/// could be read in two ways is refused. Fills all of `request` but its body and peer. Throws:
/// Rejection.
Framing parse_head(std::string_view head, Request& request);

/// The size that opens a chunk: its line without the line end, extensions and all. Throws:
/// Rejection, also for what extensions may not hold.
std::int64_t parse_chunk_size(std::string_view line);

/// A line that follows the last chunk: a header, of which nothing is kept. Throws: Rejection.
void check_trailer(std::string_view line);

/// The reason phrase of a status, "OK".
std::string_view reason_phrase(int status) noexcept;

}  // namespace quern::serve
