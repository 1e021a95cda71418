#include "serve/json_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace quern::serve {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kBetweenItems = ", \t\n\r";
constexpr std::string_view kBetweenLeaves = ",[] \t\n\r";
constexpr std::string_view kAfterName = ": \t\n\r";

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_decimal(char c) { return c >= '0' && c <= '9'; }

/// The value of a hexadecimal digit; -1 where it is none.
int hex_value(char c) {
  if (is_decimal(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_high_surrogate(unsigned code) { return (code & 0xfc00) == 0xd800; }
bool is_low_surrogate(unsigned code) { return (code & 0xfc00) == 0xdc00; }

/// How many bytes the character in UTF-8 at the front of `text` has; 0 where it is malformed.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const std::size_t size = lead < 0x80   ? 1
                           : lead < 0xc2 ? 0
                           : lead < 0xe0 ? 2
                           : lead < 0xf0 ? 3
                                         : 4;
  if (size < 2 || lead > 0xf4 || text.size() < size) return size == 1 ? 1 : 0;
  const unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

/// Checks a text from its first byte to its last.
class Checker {
 public:
  Checker(std::string_view text, const JsonLimits& limits) : text_(text), limits_(limits) {}

  /// The value that the text is.
  std::string_view check() {
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
    skip_spaces();
    const std::size_t first = at_;
    check_value();
    const std::size_t end = at_;
    skip_spaces();
    if (at_ != text_.size()) refuse("more after its end");
    return text_.substr(first, end - first);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    throw JsonError(fmt::format("{} at byte {}", what, at_));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_spaces() {
    while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
  }

  /// A value and all that is in it; what is open around it is kept as a bit each.
  void check_value() {
    do {
      if (opens()) continue;
      for (bool closed = true; closed && depth_ > 0;) closed = closes();
    } while (depth_ > 0);
  }

  /// Reads a value up to the first within it: whether there is one.
  bool opens() {
    const char c = peek();
    if (c != '{' && c != '[') {
      check_scalar();
      return false;
    }
    ++at_;
    if (++depth_ > limits_.depth) refuse(fmt::format("more than {} levels", limits_.depth));
    objects_.push_back(c == '{');
    skip_spaces();
    if (peek() == (c == '{' ? '}' : ']')) return false;
    if (c == '{') check_name();
    return true;
  }

  /// Reads what follows a value within another: whether that ends with it.
  bool closes() {
    skip_spaces();
    const bool object = objects_.back();
    if (take(object ? '}' : ']')) {
      objects_.pop_back();
      --depth_;
      return true;
    }
    if (!take(',')) refuse(object ? "expected , or }" : "expected , or ]");
    skip_spaces();
    if (object) check_name();
    return false;
  }

  void check_name() {
    if (peek() != '"') refuse("expected a name");
    check_string();
    skip_spaces();
    if (!take(':')) refuse("expected :");
    skip_spaces();
  }

  void check_scalar() {
    if (peek() == '"') return check_string();
    if (take("null") || take("true") || take("false")) return;
    if (limits_.allows_nonfinite && (take("NaN") || take("Infinity") || take("-Infinity"))) return;
    take('-');
    if (!take('0')) check_digits();
    if (take('.')) check_digits();
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      check_digits();
    }
  }

  void check_digits() {
    if (!is_decimal(peek())) refuse("expected a value");
    while (is_decimal(peek())) ++at_;
  }

  void check_string() {
    for (++at_;;) {
      if (at_ == text_.size()) refuse("a string does not end");
      const auto byte = static_cast<unsigned char>(text_[at_]);
      if (byte < 0x20) refuse("a control character");
      if (byte >= 0x80) {
        const std::size_t size = utf8_length(text_.substr(at_));
        if (size == 0) refuse("not UTF-8");
        at_ += size;
        continue;
      }
      ++at_;
      if (byte == '"') return;
      if (byte == '\\') check_escape();
    }
  }

  void check_escape() {
    if (!take('u')) {
      if (peek() == '\0' || std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos) {
        refuse("unknown escape");
      }
      ++at_;
      return;
    }
    const unsigned code = check_hex();
    if (is_low_surrogate(code) ||
        (is_high_surrogate(code) && !(take("\\u") && is_low_surrogate(check_hex())))) {
      refuse("half a surrogate pair");
    }
  }

  unsigned check_hex() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = hex_value(peek());
      if (digit < 0) refuse("expected four hexadecimal digits");
      code = code * 16 + static_cast<unsigned>(digit);
    }
    return code;
  }

  std::string_view text_;
  const JsonLimits& limits_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::vector<bool> objects_;  ///< of what is open, whether it is an object
};

// What follows is of texts that were checked.

std::size_t string_length(std::string_view text) noexcept {
  std::size_t i = text.find_first_of("\"\\", 1);
  while (text[i] != '"') i = text.find_first_of("\"\\", i + 2);
  return i + 1;
}

std::size_t value_length(std::string_view text) noexcept {
  if (text[0] == '"') return string_length(text);
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      i += string_length(text.substr(i)) - 1;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (c == ',' || is_json_space(c))) {
      return i;
    }
  }
  return text.size();
}

void skip_over(std::string_view& text, std::string_view separators) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
}

unsigned hex_code(std::string_view digits) noexcept {
  unsigned code = 0;
  for (const char digit : digits) code = code * 16 + static_cast<unsigned>(hex_value(digit));
  return code;
}

void append_utf8(std::string& text, unsigned code) {
  const auto put = [&](unsigned byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      put(0xe0 | (code >> 12));
    } else {
      put(0xf0 | (code >> 18));
      put(0x80 | ((code >> 12) & 0x3f));
    }
    put(0x80 | ((code >> 6) & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

/// Takes an escape, of which the backslash is gone, off `rest`.
void append_escape(std::string& text, std::string_view& rest) {
  constexpr std::string_view kLetters = "bfnrt";
  constexpr std::string_view kMeanings = "\b\f\n\r\t";
  const char letter = rest[0];
  rest.remove_prefix(1);
  if (letter != 'u') {
    const std::size_t found = kLetters.find(letter);
    text += found == std::string_view::npos ? letter : kMeanings[found];
    return;
  }
  unsigned code = hex_code(rest.substr(0, 4));
  rest.remove_prefix(4);
  if (is_high_surrogate(code)) {
    code = 0x10000 + ((code & 0x3ff) << 10) + (hex_code(rest.substr(2, 4)) & 0x3ff);
    rest.remove_prefix(6);
  }
  append_utf8(text, code);
}

/// Whether a number without sign that is out of range is too small, not too large.
bool is_tiny(std::string_view number) noexcept {
  const std::size_t e = std::min(number.find_first_of("eE"), number.size());
  const std::string_view exponent = number.substr(std::min(number.size(), e + 1));
  if (exponent.size() > 9) return exponent[0] == '-';  // more than the digits of any text
  std::int64_t magnitude = 0;
  const std::size_t sign = exponent.starts_with('+') ? 1 : 0;
  std::from_chars(exponent.data() + sign, exponent.data() + exponent.size(), magnitude);
  const std::string_view digits = number.substr(0, e);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = std::min(digits.find_first_of("123456789"), digits.size());
  return magnitude + static_cast<std::int64_t>(point) < static_cast<std::int64_t>(first);
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

JsonView JsonView::parse(std::string_view text, const JsonLimits& limits) {
  return JsonView(Checker(text, limits).check());
}

bool JsonView::is_number() const noexcept {
  const char c = text_[0];
  return is_decimal(c) || c == '-' || c == 'N' || c == 'I';
}

bool JsonView::is_integer() const noexcept {
  return is_number() && text_.find_first_of(".eENI") == std::string_view::npos;
}

std::string JsonView::string() const {
  std::string_view rest = text_.substr(1, text_.size() - 2);
  std::string result;
  result.reserve(rest.size());
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('\\'), rest.size());
    result += rest.substr(0, plain);
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    append_escape(result, rest);
  }
  return result;
}

double JsonView::number() const noexcept {
  using Limits = std::numeric_limits<double>;
  const std::string_view size = text_.substr(text_[0] == '-' ? 1 : 0);
  if (size[0] == 'N') return Limits::quiet_NaN();
  double value = Limits::infinity();
  if (size[0] != 'I') {
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), value);
    if (error != std::errc{}) value = is_tiny(size) ? 0 : Limits::infinity();
  }
  return text_[0] == '-' ? -value : value;
}

JsonView::Iterator JsonView::begin() const noexcept {
  return is_array() || is_object() ? Iterator(text_, kBetweenItems) : Iterator();
}
JsonView::Iterator JsonView::end() const noexcept { return {}; }

std::size_t JsonView::size() const noexcept {
  std::size_t count = 0;
  for (auto item = begin(); item != end(); ++item) ++count;
  return count;
}

JsonView::Leaves JsonView::leaves() const noexcept {
  return {is_array() ? Iterator(text_, kBetweenLeaves) : Iterator()};
}

JsonView::Iterator::Iterator(std::string_view container, std::string_view separators) noexcept
    : rest_(container.substr(1, container.size() - 2)),
      separators_(separators),
      named_(container[0] == '{') {
  ++*this;
}

JsonView::Iterator& JsonView::Iterator::operator++() noexcept {
  skip_over(rest_, separators_);
  at_ = rest_.empty() ? nullptr : rest_.data();
  if (at_ == nullptr) return *this;
  if (named_) {
    item_.name = next();
    skip_over(rest_, kAfterName);
  }
  item_.value = next();
  return *this;
}

JsonView JsonView::Iterator::next() noexcept {
  const std::string_view value = rest_.substr(0, value_length(rest_));
  rest_.remove_prefix(value.size());
  return JsonView(value);
}

JsonMembers::JsonMembers(JsonView object, std::size_t most) {
  for (const auto& [name, value] : object) {
    if (members_.size() == most) throw JsonError(fmt::format("more than {} members", most));
    members_.emplace_back(name.string(), value);
  }
  const auto name_of = &std::pair<std::string, JsonView>::first;
  std::ranges::sort(members_, {}, name_of);
  const auto twice = std::ranges::adjacent_find(members_, {}, name_of);
  if (twice != members_.end()) {
    throw JsonError(fmt::format("\"{}\" occurs twice in one object", twice->first));
  }
}

const JsonView* JsonMembers::find(std::string_view name) const noexcept {
  const auto found = std::ranges::lower_bound(
      members_, name, {}, [](const auto& member) -> std::string_view { return member.first; });
  return found == members_.end() || found->first != name ? nullptr : &found->second;
}

}  // namespace quern::serve
