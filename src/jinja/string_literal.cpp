#include "jinja/string_literal.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "jinja/lexer.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

constexpr std::string_view kLetters = "\\'\"abfnrtv";
constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";

/// Reads exactly `digits` of base 16 at `at`.
char32_t read_hex(std::string_view literal, std::size_t at, std::size_t digits, int line) {
  std::uint32_t code = 0;
  const std::string_view part = literal.substr(std::min(at, literal.size()), digits);
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), code, 16);
  if (part.size() != digits || error != std::errc() || end != part.data() + digits)
    fail_at(line, "a string has an escape that lacks digits");
  if (code > 0x10ffff) fail_at(line, "a string has an escape that is no character");
  return code;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// Reads the escape whose backslash is at `at`, and returns where it ends.
std::size_t append_escape(std::string& text, std::string_view literal, std::size_t at, int line) {
  const char c = literal[at + 1];
  if (const auto known = kLetters.find(c); known != std::string_view::npos) {
    text += kMeanings[known];
    return at + 2;
  }
  if (c == '\n') return at + 2;
  if (is_octal(c)) {
    char32_t code = 0;
    std::size_t end = at + 1;
    for (; end < literal.size() && end < at + 4 && is_octal(literal[end]); ++end)
      code = code * 8 + static_cast<char32_t>(literal[end] - '0');
    append_character(text, code);
    return end;
  }
  const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (digits == 0) {
    if (c == 'N') fail_at(line, "a string names a character by \\N, which is not supported");
    text += '\\';
    return at + 1;
  }
  char32_t code = read_hex(literal, at + 2, digits, line);
  std::size_t end = at + 2 + digits;
  if (code >= 0xd800 && code < 0xdc00 && literal.substr(end).starts_with("\\u")) {
    const char32_t low = read_hex(literal, end + 2, 4, line);
    if (low >= 0xdc00 && low < 0xe000) {
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      end += 6;
    }
  }
  if (code >= 0xd800 && code < 0xe000) fail_at(line, "a string has half a surrogate pair");
  append_character(text, code);
  return end;
}

}  // namespace

std::string unescaped(std::string_view literal, int line) {
  std::string text;
  text.reserve(literal.size());
  for (std::size_t at = 0; at < literal.size();) {
    if (literal[at] == '\\' && at + 1 < literal.size()) {
      at = append_escape(text, literal, at, line);
    } else {
      text += literal[at++];
    }
  }
  return text;
}

}  // namespace quern::jinja
