#include "jinja/text_steps.h"

#include <algorithm>

#include "jinja/run.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

/// The size of the line break at `at`; 0 where there is none.
std::size_t line_break_at(std::string_view text, std::size_t at) {
  const Character one = character_at(text, at);
  if (one.code == '\r') return text.substr(at).starts_with("\r\n") ? 2 : 1;
  const bool ascii = one.code == '\n' || one.code == '\v' || one.code == '\f' ||
                     (one.code >= 0x1c && one.code <= 0x1e);
  const bool other = one.code == 0x85 || one.code == 0x2028 || one.code == 0x2029;
  return ascii || other ? one.size : 0;
}

bool has_character(std::string_view characters, std::string_view one) {
  for (std::size_t at = 0; at < characters.size();) {
    const std::size_t size = character_at(characters, at).size;
    if (characters.substr(at, size) == one) return true;
    at += size;
  }
  return false;
}

/// Where the last character before `end` begins.
std::size_t before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0u) == 0x80u)
    --begin;
  return begin + character_at(text, begin).size == end ? begin : end - 1;
}

}  // namespace

Text stripped(const Text& text, Ends ends) {
  const std::size_t begin = ends == Ends::end ? 0 : leading_space(text.view());
  const std::string_view rest = text.view().substr(begin);
  const std::size_t end = ends == Ends::begin ? 0 : trailing_space(rest);
  return text.substr(begin, rest.size() - end);
}

Text stripped(const Text& text, Ends ends, std::string_view characters) {
  const std::string_view view = text.view();
  std::size_t begin = 0, end = view.size();
  while (ends != Ends::end && begin < end) {
    const std::size_t size = character_at(view, begin).size;
    if (!has_character(characters, view.substr(begin, size))) break;
    begin += size;
  }
  while (ends != Ends::begin && end > begin) {
    const std::size_t at = before(view, end);
    if (!has_character(characters, view.substr(at, end - at))) break;
    end = at;
  }
  return text.substr(begin, end - begin);
}

std::vector<Text> split_at(const Text& text, std::string_view separator, std::int64_t most,
                           bool from_end) {
  std::vector<Text> parts;
  std::size_t begin = 0, end = text.size();
  const std::string& bytes = text.bytes();
  for (; most != 0; --most) {
    if (from_end) {
      if (end < separator.size()) break;
      const std::size_t at = bytes.rfind(separator, end - separator.size());
      if (at == std::string::npos) break;
      parts.push_back(text.substr(at + separator.size(), end - at - separator.size()));
      end = at;
    } else {
      const std::size_t at = bytes.find(separator, begin);
      if (at == std::string::npos) break;
      parts.push_back(text.substr(begin, at - begin));
      begin = at + separator.size();
    }
  }
  parts.push_back(text.substr(begin, end - begin));
  if (from_end) std::ranges::reverse(parts);
  return parts;
}

std::vector<Text> split_at_spaces(const Text& text, std::int64_t most, bool from_end) {
  std::vector<Text> parts;
  const std::string_view view = text.view();
  if (from_end) {
    std::size_t end = view.size() - trailing_space(view);
    for (; end > 0; --most) {
      if (most == 0) {
        parts.push_back(text.substr(0, end));
        break;
      }
      std::size_t begin = end;
      while (begin > 0 && !is_space(character_at(view, before(view, begin)).code))
        begin = before(view, begin);
      parts.push_back(text.substr(begin, end - begin));
      end = begin - trailing_space(view.substr(0, begin));
    }
    std::ranges::reverse(parts);
    return parts;
  }
  std::size_t begin = leading_space(view);
  for (; begin < view.size(); --most) {
    if (most == 0) {
      parts.push_back(text.substr(begin));
      break;
    }
    std::size_t end = begin;
    while (end < view.size() && !is_space(character_at(view, end).code))
      end += character_at(view, end).size;
    parts.push_back(text.substr(begin, end - begin));
    begin = end + leading_space(view.substr(end));
  }
  return parts;
}

std::vector<Text> lines_of(const Text& text, bool keep_ends) {
  std::vector<Text> lines;
  std::size_t begin = 0;
  const std::string_view view = text.view();
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t size = line_break_at(view, at);
    if (size == 0) {
      at += character_at(view, at).size;
      continue;
    }
    lines.push_back(text.substr(begin, at - begin + (keep_ends ? size : 0)));
    at += size;
    begin = at;
  }
  if (begin < view.size()) lines.push_back(text.substr(begin));
  return lines;
}

Value list_of(Run& run, std::vector<Text> texts) {
  Values items;
  items.reserve(texts.size());
  for (Text& text : texts) {
    run.charge(text.size() + sizeof(Text) + sizeof(Value));
    items.push_back(Value::of(std::move(text)));
  }
  return make_list(std::move(items));
}

Text replaced(Run& run, const Text& text, const Text& old, const Text& fresh, std::int64_t count) {
  Text result;
  result.safe = text.safe;
  std::size_t at = 0;
  if (old.empty()) {
    // Between all characters, and at both ends.
    for (; count != 0; --count) {
      run.charge(fresh.size());
      result.append(fresh);
      if (at == text.size()) return result;
      const std::size_t size = character_at(text.view(), at).size;
      result.append(text, at, size);
      at += size;
    }
  }
  for (; count != 0; --count) {
    const std::size_t found = text.bytes().find(old.bytes(), at);
    if (found == std::string::npos) break;
    run.charge(fresh.size());
    result.append(text, at, found - at);
    result.append(fresh);
    at = found + old.size();
  }
  result.append(text, at, text.size() - at);
  return result;
}

Text padded(Run& run, const Text& text, std::int64_t width, const Text& fill, Padding padding) {
  const auto size = static_cast<std::int64_t>(count_characters(text.view()));
  if (width <= size) return text;
  const std::int64_t gap = width - size;
  run.charge(static_cast<std::size_t>(gap) > (std::size_t{1} << 38)
                 ? std::size_t{1} << 40
                 : static_cast<std::size_t>(gap) * fill.size());
  const std::int64_t left = padding == Padding::after    ? 0
                            : padding == Padding::before ? gap
                                                         : gap / 2 + (gap & width & 1);
  Text result;
  for (std::int64_t i = 0; i < left; ++i) result.append(fill);
  result.append(text);
  for (std::int64_t i = left; i < gap; ++i) result.append(fill);
  result.safe = text.safe;
  return result;
}

}  // namespace quern::jinja
