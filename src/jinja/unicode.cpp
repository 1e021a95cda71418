#include "jinja/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace quern::jinja {
namespace {

utf8proc_category_t category(char32_t code) noexcept {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

struct Expansion {
  char32_t code;
  std::string_view upper;
  std::string_view title;
};

/// Letters whose capital is more than one letter; what Greek has with iota is further below.
constexpr Expansion kExpansions[] = {
    {0xdf, "SS", "Ss"},
    {0x149, "\xca\xbcN", "\xca\xbcN"},
    {0xfb00, "FF", "Ff"},
    {0xfb01, "FI", "Fi"},
    {0xfb02, "FL", "Fl"},
    {0xfb03, "FFI", "Ffi"},
    {0xfb04, "FFL", "Ffl"},
    {0xfb05, "ST", "St"},
    {0xfb06, "ST", "St"},
    {0x587, "\xd4\xb5\xd5\x92", "\xd4\xb5\xd6\x82"},
    {0x1f0, "J\xcc\x8c", "J\xcc\x8c"},
    {0x1e96, "H\xcc\xb1", "H\xcc\xb1"},
    {0x1e97, "T\xcc\x88", "T\xcc\x88"},
    {0x1e98, "W\xcc\x8a", "W\xcc\x8a"},
    {0x1e99, "Y\xcc\x8a", "Y\xcc\x8a"},
    {0x1e9a, "A\xca\xbe", "A\xca\xbe"},
    {0x390, "\xce\x99\xcc\x88\xcc\x81", "\xce\x99\xcc\x88\xcc\x81"},
    {0x3b0, "\xce\xa5\xcc\x88\xcc\x81", "\xce\xa5\xcc\x88\xcc\x81"},
};

void append_upper(std::string& to, char32_t code, bool title) {
  for (const Expansion& one : kExpansions) {
    if (one.code != code) continue;
    to += title ? one.title : one.upper;
    return;
  }
  const auto signed_code = static_cast<utf8proc_int32_t>(code);
  append_character(to, static_cast<char32_t>(title ? utf8proc_totitle(signed_code)
                                                   : utf8proc_toupper(signed_code)));
}

bool is_cased(char32_t code) noexcept {
  return is_cased_upper(code) || is_cased_lower(code) || is_title(code);
}

/// Whether the letters of a word go on over it, as over an accent or an apostrophe.
bool is_ignored(char32_t code) noexcept {
  const auto kind = category(code);
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_CF || code == '\'' ||
         code == 0x2019;
}

bool goes_on(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Character one = character_at(text, at);
    if (!is_ignored(one.code)) return is_cased(one.code);
    at += one.size;
  }
  return false;
}

bool is_ascii(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char ascii_upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char ascii_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Copies what is no valid sequence.
bool copied(std::string& to, std::string_view text, std::size_t at, const Character& one) {
  const bool broken = one.size == 1 && static_cast<unsigned char>(text[at]) >= 0x80;
  if (broken) to += text[at];
  return broken;
}

void append_lower(std::string& to, std::string_view text, std::size_t begin) {
  constexpr char32_t kSigma = 0x3a3, kDottedI = 0x130;
  bool in_word = begin > 0 && is_cased(character_at(text, 0).code);
  for (std::size_t at = begin; at < text.size();) {
    const Character one = character_at(text, at);
    if (copied(to, text, at, one)) {
    } else if (one.code == kDottedI) {
      to += "i\xcc\x87";
    } else if (one.code == kSigma && in_word && !goes_on(text, at + one.size)) {
      append_character(to, 0x3c2);
    } else {
      append_character(
          to, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(one.code))));
    }
    if (!is_ignored(one.code)) in_word = is_cased(one.code);
    at += one.size;
  }
}

}  // namespace

Character character_at(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned lead = byte(0);
  const Character broken{0xfffd, 1};
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() - at < size) return broken;
  char32_t code = lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return broken;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return broken;
  return {code, size};
}

void append_character(std::string& text, char32_t code) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

std::size_t count_characters(std::string_view text) noexcept {
  if (is_ascii(text)) return text.size();
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) at += character_at(text, at).size;
  return count;
}

std::size_t offset_of(std::string_view text, std::size_t index) noexcept {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += character_at(text, at).size;
  return at;
}

bool is_space(char32_t code) noexcept {
  if (code < 0x80)
    return code == ' ' || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f);
  return code == 0x85 || category(code) == UTF8PROC_CATEGORY_ZS || code == 0x2028 || code == 0x2029;
}

bool is_letter(char32_t code) noexcept {
  const auto kind = category(code);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_cased_upper(char32_t code) noexcept {
  return category(code) == UTF8PROC_CATEGORY_LU || (code >= 0x2160 && code <= 0x216f) ||
         (code >= 0x24b6 && code <= 0x24cf);
}

bool is_cased_lower(char32_t code) noexcept {
  return category(code) == UTF8PROC_CATEGORY_LL || code == 0xaa || code == 0xba ||
         (code >= 0x2b0 && code <= 0x2b8) || (code >= 0x2170 && code <= 0x217f) ||
         (code >= 0x24d0 && code <= 0x24e9);
}

bool is_title(char32_t code) noexcept { return category(code) == UTF8PROC_CATEGORY_LT; }

bool is_decimal(char32_t code) noexcept { return category(code) == UTF8PROC_CATEGORY_ND; }

bool is_numeric(char32_t code) noexcept {
  const auto kind = category(code);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_NO;
}

bool is_printable(char32_t code) noexcept {
  if (code < 0x7f) return code >= ' ';
  switch (category(code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

bool is_word(char32_t code) noexcept { return is_letter(code) || is_numeric(code) || code == '_'; }

std::string to_upper(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  if (is_ascii(text)) {
    std::ranges::transform(text, std::back_inserter(result), ascii_upper);
    return result;
  }
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text, at);
    if (!copied(result, text, at, one)) append_upper(result, one.code, false);
    at += one.size;
  }
  return result;
}

std::string to_lower(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  if (is_ascii(text)) {
    std::ranges::transform(text, std::back_inserter(result), ascii_lower);
  } else {
    append_lower(result, text, 0);
  }
  return result;
}

std::string to_capitalized(std::string_view text) {
  if (text.empty()) return "";
  std::string result;
  const Character first = character_at(text, 0);
  if (!copied(result, text, 0, first)) append_upper(result, first.code, true);
  append_lower(result, text, first.size);
  return result;
}

std::size_t leading_space(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const Character one = character_at(text, at);
    if (!is_space(one.code)) break;
    at += one.size;
  }
  return at;
}

std::size_t trailing_space(std::string_view text) noexcept {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t begin = end - 1;
    while (begin > 0 && end - begin < 4 &&
           (static_cast<unsigned char>(text[begin]) & 0xc0u) == 0x80u)
      --begin;
    const Character one = character_at(text, begin);
    if (begin + one.size != end || !is_space(one.code)) break;
    end = begin;
  }
  return text.size() - end;
}

}  // namespace quern::jinja
