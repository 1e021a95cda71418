#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern::tokenizer {

/// One character of a text, or one byte that no valid UTF-8 sequence starts with.
struct Utf8Char {
  char32_t code = 0;
  std::size_t size = 1;
  bool valid = false;
};

/// Reads the character at `position`, which is within the text. Overlong forms, surrogates and
/// codes past U+10FFFF are invalid.
inline Utf8Char utf8_at(std::string_view text, std::size_t position) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() - position < size) return {};
  char32_t code = lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return {};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kSmallest[size] || code > 0x10ffff || surrogate) return {};
  return {code, size, true};
}

inline void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

inline bool is_ascii(std::string_view text) noexcept {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

/// Calls `valid(run)` for each longest run of valid UTF-8 and `invalid(byte)` for each byte between
/// them, both as views of `text`, in order.
template <class Valid, class Invalid>
void for_each_utf8_run(std::string_view text, const Valid& valid, const Invalid& invalid) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char character = utf8_at(text, i);
    if (!character.valid) {
      if (i > begin) valid(text.substr(begin, i - begin));
      invalid(text.substr(i, 1));
      begin = i + 1;
    }
    i += character.size;
  }
  if (begin < text.size()) valid(text.substr(begin));
}

}  // namespace quern::tokenizer
