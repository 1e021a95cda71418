#include "serve/http/message.h"

#include <algorithm>
#include <charconv>

namespace quern::serve {

Content plain_refusal(int /*status*/, std::string_view message) {
  return {"text/plain; charset=utf-8", std::string(message)};
}

std::string_view Request::header(std::string_view name) const noexcept {
  const auto found =
      std::ranges::find_if(headers, [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::string_view{} : std::string_view(found->second);
}

std::string Request::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string key;
    std::string value;
    if (percent_decode(pair.substr(0, equals), true, key) && key == name &&
        percent_decode(pair.substr(std::min(pair.size(), equals + 1)), true, value)) {
      return value;
    }
  }
  return {};
}

bool percent_decode(std::string_view text, bool plus_is_space, std::string& decoded) {
  decoded.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      unsigned value = 0;
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2 || value == 0) {
        return false;
      }
      c = static_cast<char>(value);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    decoded.push_back(c);
  }
  return true;
}

}  // namespace quern::serve
