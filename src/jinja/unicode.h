#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern::jinja {

/// One character, or one byte that no valid UTF-8 sequence starts with.
struct Character {
  char32_t code = 0;
  std::size_t size = 1;
};

/// The character at `at`, which is within the text.
Character character_at(std::string_view text, std::size_t at) noexcept;
void append_character(std::string& text, char32_t code);
std::size_t count_characters(std::string_view text) noexcept;
/// Where the character number `index` begins, or the text's size past its end.
std::size_t offset_of(std::string_view text, std::size_t index) noexcept;

/// As Python's methods of str tell characters apart.
bool is_space(char32_t code) noexcept;
bool is_letter(char32_t code) noexcept;
bool is_cased_upper(char32_t code) noexcept;
bool is_cased_lower(char32_t code) noexcept;
bool is_title(char32_t code) noexcept;
bool is_decimal(char32_t code) noexcept;
bool is_numeric(char32_t code) noexcept;
bool is_printable(char32_t code) noexcept;
bool is_word(char32_t code) noexcept;

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
/// The first character in title case, the others lowered.
std::string to_capitalized(std::string_view text);

/// The bytes of white space that `text` starts with, and ends with.
std::size_t leading_space(std::string_view text) noexcept;
std::size_t trailing_space(std::string_view text) noexcept;

}  // namespace quern::jinja
