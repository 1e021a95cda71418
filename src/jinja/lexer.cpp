#include "jinja/lexer.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "jinja/string_literal.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

using Tag = Token::Kind;

constexpr std::size_t kMaxSource = std::size_t{4} << 20;
constexpr std::string_view kSigns[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                       "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                       ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

/// Line breaks as "\n", and without the last one.
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) read_data();
    add(Tag::end, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest(std::size_t from) const { return std::string_view(text_).substr(from); }

  void add(Tag kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  void move_to(std::size_t at) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    at_ = at;
  }

  void skip_space() { move_to(at_ + leading_space(rest(at_))); }

  /// Adds the text up to `end`, less what the tag that begins there strips.
  void add_data(std::size_t end, char sign, bool is_print) {
    std::string_view data = rest(at_).substr(0, end - at_);
    if (sign == '-') {
      data.remove_suffix(trailing_space(data));
    } else if (sign != '+' && !is_print) {
      const std::size_t line = data.rfind('\n') + 1;
      const bool starts_line = line > 0 || at_line_start_;
      if (starts_line && leading_space(data.substr(line)) == data.size() - line)
        data = data.substr(0, line);
    }
    if (!data.empty()) add(Tag::data, std::string(data));
    move_to(end);
  }

  char sign_at(std::size_t at) const {
    const char c = at < text_.size() ? text_[at] : '\0';
    return c == '-' || c == '+' ? c : '\0';
  }

  void read_data() {
    std::size_t begin = text_.find('{', at_);
    while (begin != std::string::npos && !is_tag(begin)) begin = text_.find('{', begin + 1);
    if (begin == std::string::npos) {
      add(Tag::data, text_.substr(at_));
      return move_to(text_.size());
    }
    const char kind = text_[begin + 1];
    const char sign = sign_at(begin + 2);
    add_data(begin, sign, kind == '{');
    move_to(begin + (sign ? 3 : 2));
    if (kind == '#') return skip_comment();
    if (kind == '%' && read_raw()) return;
    add(kind == '{' ? Tag::print_begin : Tag::block_begin, "");
    read_tag(kind == '{');
  }

  bool is_tag(std::size_t at) const {
    const char next = at + 1 < text_.size() ? text_[at + 1] : '\0';
    return next == '{' || next == '%' || next == '#';
  }

  /// Moves past the end of a tag or comment, `close` being "%}" or the like, where it stands here:
  /// with a sign in front, and with the white space that it takes along.
  bool skip_close(std::string_view close, bool trims) {
    const char sign = sign_at(at_);
    if (!rest(at_ + (sign ? 1 : 0)).starts_with(close)) return false;
    if (sign == '+' && !trims) return false;
    const std::size_t begin = at_;
    move_to(at_ + (sign ? 1 : 0) + close.size());
    if (sign == '-') {
      skip_space();
    } else if (trims && !sign && at_ < text_.size() && text_[at_] == '\n') {
      move_to(at_ + 1);
    }
    at_line_start_ = at_ > begin && text_[at_ - 1] == '\n';
    return true;
  }

  void skip_comment() {
    const int line = line_;
    for (std::size_t at = at_;; ++at) {
      at = text_.find("#}", at);
      if (at == std::string::npos) fail_at(line, "a comment has no end \"#}\"");
      const bool has_sign = at > at_ && sign_at(at - 1);
      move_to(at - (has_sign ? 1 : 0));
      if (skip_close("#}", true)) return;
    }
  }

  /// `{% raw %}` up to `{% endraw %}`; whether it stood here.
  bool read_raw() {
    const int line = line_;
    std::size_t at = at_ + leading_space(rest(at_));
    if (!rest(at).starts_with("raw")) return false;
    at += 3;
    at += leading_space(rest(at));
    const bool strips = rest(at).starts_with("-%}");
    if (!strips && !rest(at).starts_with("%}")) return false;
    move_to(at + (strips ? 3 : 2));
    if (strips) skip_space();
    at_line_start_ = text_[at_ - 1] == '\n';
    for (std::size_t end = text_.find("{%", at_);; end = text_.find("{%", end + 1)) {
      if (end == std::string::npos) fail_at(line, "{% raw %} has no {% endraw %}");
      const char sign = sign_at(end + 2);
      std::size_t word = end + (sign ? 3 : 2);
      word += leading_space(rest(word));
      if (!rest(word).starts_with("endraw")) continue;
      std::size_t close = word + 6;
      close += leading_space(rest(close));
      const bool signed_close = sign_at(close) != '\0';
      if (!rest(close + (signed_close ? 1 : 0)).starts_with("%}")) continue;
      add_data(end, sign, false);
      move_to(close);
      return skip_close("%}", true);
    }
  }

  void read_tag(bool is_print) {
    const int line = line_;
    const std::string_view close = is_print ? "}}" : "%}";
    std::string open;  // the brackets that wait for their ends
    for (;;) {
      if (open.empty() && skip_close(close, !is_print)) {
        return add(is_print ? Tag::print_end : Tag::block_end, "");
      }
      if (at_ == text_.size())
        fail_at(line, is_print ? "{{ has no end \"}}\"" : "{% has no end \"%}\"");
      if (const std::size_t space = leading_space(rest(at_))) {
        move_to(at_ + space);
        continue;
      }
      read_token(open);
    }
  }

  void read_token(std::string& open) {
    const char c = text_[at_];
    if (is_digit(c)) return read_number();
    if (c == '"' || c == '\'') return read_string();
    std::size_t end = at_;
    while (end < text_.size()) {
      const Character one = character_at(text_, end);
      if (!is_word(one.code)) break;
      end += one.size;
    }
    if (end > at_) {
      add(Tag::name, text_.substr(at_, end - at_));
      return move_to(end);
    }
    for (const std::string_view sign : kSigns) {
      if (!rest(at_).starts_with(sign)) continue;
      balance(sign[0], open);
      add(Tag::sign, std::string(sign));
      return move_to(at_ + sign.size());
    }
    fail_at(line_, fmt::format("unexpected character \"{}\"",
                               text_.substr(at_, character_at(text_, at_).size)));
  }

  void balance(char sign, std::string& open) {
    constexpr std::string_view kOpen = "([{", kClose = ")]}";
    if (const auto at = kOpen.find(sign); at != std::string_view::npos) open += kClose[at];
    if (kClose.find(sign) == std::string_view::npos) return;
    if (open.empty()) fail_at(line_, fmt::format("\"{}\" was not opened", sign));
    if (open.back() != sign)
      fail_at(line_, fmt::format("expected \"{}\", got \"{}\"", open.back(), sign));
    open.pop_back();
  }

  /// Past digits with single underscores between them.
  std::size_t skip_digits(std::size_t at) const {
    while (at < text_.size() &&
           (is_digit(text_[at]) || (text_[at] == '_' && at + 1 < text_.size() &&
                                    is_digit(text_[at - 1]) && is_digit(text_[at + 1]))))
      ++at;
    return at;
  }

  void read_number() {
    const auto at_or_0 = [&](std::size_t at) { return at < text_.size() ? text_[at] : '\0'; };
    const std::size_t whole = skip_digits(at_);
    std::size_t end = whole;
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
    if (!after_dot && at_or_0(end) == '.' && is_digit(at_or_0(end + 1))) end = skip_digits(end + 1);
    if (!after_dot && (at_or_0(end) | 0x20) == 'e') {
      const std::size_t sign = at_or_0(end + 1) == '+' || at_or_0(end + 1) == '-' ? 1 : 0;
      if (is_digit(at_or_0(end + 1 + sign))) end = skip_digits(end + 1 + sign);
    }
    if (end == whole) return read_integer(whole);
    std::string digits = text_.substr(at_, end - at_);
    std::erase(digits, '_');
    add(Tag::number, "");
    std::from_chars(digits.data(), digits.data() + digits.size(), tokens_.back().number);
    move_to(end);
  }

  void read_integer(std::size_t end) {
    int base = 10;
    std::size_t begin = at_;
    if (text_[at_] == '0' && at_ + 1 < text_.size()) {
      const char mark = static_cast<char>(text_[at_ + 1] | 0x20);
      base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
      if (base != 10) {
        begin = at_ + 2;
        end = begin;
        while (end < text_.size() &&
               (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_'))
          ++end;
      }
    }
    std::string digits = text_.substr(begin, end - begin);
    std::erase(digits, '_');
    add(Tag::integer, text_.substr(at_, end - at_));
    const char* last = digits.data() + digits.size();
    const auto [stopped, error] =
        std::from_chars(digits.data(), last, tokens_.back().integer, base);
    if (error != std::errc() || stopped != last)
      fail_at(line_, fmt::format("expected an integer of 64 bits, got \"{}\"",
                                 text_.substr(at_, std::min<std::size_t>(end - at_, 40))));
    move_to(end);
  }

  void read_string() {
    const char quote = text_[at_];
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) fail_at(line_, "a string has no end");
    add(Tag::string, unescaped(rest(at_ + 1).substr(0, end - at_ - 1), line_));
    move_to(end + 1);
  }

  std::string text_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (source.size() > kMaxSource)
    fail(ErrorCode::unsupported, "chat template: expected at most {} bytes, got {}",
         std::size_t{kMaxSource}, source.size());
  return Lexer(source).run();
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case Tag::data:
      return "text";
    case Tag::print_begin:
      return "\"{{\"";
    case Tag::print_end:
      return "\"}}\"";
    case Tag::block_begin:
      return "\"{%\"";
    case Tag::block_end:
      return "\"%}\"";
    case Tag::string:
      return "a string";
    case Tag::number:
      return "a number";
    case Tag::end:
      return "the end of the template";
    default:
      return "\"" + token.text.substr(0, 40) + "\"";
  }
}

void fail_at(int line, std::string_view what) {
  fail(ErrorCode::corrupt_file, "chat template: line {}: {}", line, what);
}

}  // namespace quern::jinja
