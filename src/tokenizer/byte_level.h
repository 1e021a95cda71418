#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quern::tokenizer {

/// Byte-level vocabularies write each byte as one printable character: itself where it is a
/// printable Latin-1 character other than a space, else the next unused one from U+0100 on.
/// The map: https://github.com/openai/gpt-2/blob/master/src/encoder.py (bytes_to_unicode)

/// The bytes that a token's text stands for; nothing where a character is not in the map.
std::optional<std::string> bytes_from_text(std::string_view text);

/// The text of one byte.
std::string_view text_of_byte(unsigned char byte);

}  // namespace quern::tokenizer
