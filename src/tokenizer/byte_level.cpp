#include "tokenizer/byte_level.h"

#include <array>

#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

constexpr int kHighestCode = 0x143;

struct ByteMap {
  std::array<std::string, 256> texts;
  std::array<int, kHighestCode + 1> bytes{};

  ByteMap() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
      const char32_t code = printable ? static_cast<char32_t>(byte) : next++;
      append_utf8(texts[static_cast<std::size_t>(byte)], code);
      bytes[code] = byte;
    }
  }
};

const ByteMap& byte_map() {
  static const ByteMap map;
  return map;
}

}  // namespace

std::optional<std::string> bytes_from_text(std::string_view text) {
  const ByteMap& map = byte_map();
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char character = utf8_at(text, i);
    if (!character.valid || character.code > kHighestCode) return std::nullopt;
    const int byte = map.bytes[character.code];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    i += character.size;
  }
  return bytes;
}

std::string_view text_of_byte(unsigned char byte) { return byte_map().texts[byte]; }

}  // namespace quern::tokenizer
