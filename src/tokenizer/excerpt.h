#pragma once

#include <string>
#include <string_view>

namespace quern::tokenizer {

/// A file's text as messages show it: its beginning, where it is long.
inline std::string excerpt(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  if (text.size() <= kLongest) return std::string(text);
  return std::string(text.substr(0, kLongest)) + "...";
}

}  // namespace quern::tokenizer
