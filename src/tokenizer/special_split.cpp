#include "tokenizer/special_split.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace quern::tokenizer {
namespace {

bool is_space(char32_t c) noexcept {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string_view trim_right(std::string_view text) noexcept {
  while (!text.empty()) {
    std::size_t last = text.size() - 1;
    while (last > 0 && text.size() - last < 4 && (text[last] & 0xc0) == 0x80) --last;
    const Utf8Char character = utf8_at(text, last);
    if (!is_space(character.code) || last + character.size != text.size()) break;
    text.remove_suffix(character.size);
  }
  return text;
}

std::size_t spaces_at(std::string_view text) noexcept {
  std::size_t size = 0;
  while (size < text.size()) {
    const Utf8Char character = utf8_at(text, size);
    if (!is_space(character.code)) break;
    size += character.size;
  }
  return size;
}

std::size_t index_of(char c) noexcept { return static_cast<unsigned char>(c); }

}  // namespace

SpecialSplitter::SpecialSplitter(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const auto& a, const auto& b) { return a.text < b.text; });
  for (const SpecialToken& token : tokens_) ++first_byte_[index_of(token.text[0]) + 1];
  for (std::size_t i = 1; i < first_byte_.size(); ++i) first_byte_[i] += first_byte_[i - 1];
}

/// Narrows the sorted tokens to those that `text` may start with, a byte at a time.
const SpecialToken* SpecialSplitter::longest_at(std::string_view text,
                                                std::size_t parsed_bytes) const noexcept {
  auto first = tokens_.begin() + first_byte_[index_of(text[0])];
  auto last = tokens_.begin() + first_byte_[index_of(text[0]) + 1];
  const SpecialToken* longest = nullptr;
  for (std::size_t length = 1; first != last; ++length) {
    for (; first != last && first->text.size() == length; ++first) {
      if (length <= parsed_bytes || !first->only_if_parsed) longest = &*first;
    }
    if (length == text.size()) break;
    const std::size_t next = index_of(text[length]);
    first = std::partition_point(
        first, last, [&](const auto& token) { return index_of(token.text[length]) < next; });
    last = std::partition_point(
        first, last, [&](const auto& token) { return index_of(token.text[length]) <= next; });
  }
  return longest;
}

std::vector<SpecialSplitter::Part> SpecialSplitter::split(
    std::string_view text, std::span<const std::string_view> parsed) const {
  std::vector<Part> parts;
  std::size_t begin = 0;
  const auto add_text = [&](std::string_view plain) {
    if (!plain.empty()) parts.push_back({plain, kNoToken});
  };
  const auto parsed_bytes_at = [&](const char* place) -> std::size_t {
    const auto end_of = [](std::string_view piece) { return piece.data() + piece.size(); };
    while (!parsed.empty() && end_of(parsed.front()) <= place) parsed = parsed.subspan(1);
    if (parsed.empty() || parsed.front().data() > place) return 0;
    return static_cast<std::size_t>(end_of(parsed.front()) - place);
  };
  for (std::size_t i = 0; !tokens_.empty() && i < text.size();) {
    const std::size_t byte = index_of(text[i]);
    const SpecialToken* token = first_byte_[byte] == first_byte_[byte + 1]
                                    ? nullptr
                                    : longest_at(text.substr(i), parsed_bytes_at(&text[i]));
    if (token == nullptr) {
      ++i;
      continue;
    }
    const std::string_view before = text.substr(begin, i - begin);
    add_text(token->strip_left ? trim_right(before) : before);
    i += token->text.size();
    if (token->strip_right) i += spaces_at(text.substr(i));
    parts.push_back({{}, token->id});
    begin = i;
  }
  add_text(text.substr(begin));
  return parts;
}

}  // namespace quern::tokenizer
