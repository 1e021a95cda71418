#include "jinja/format_spec.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/text_steps.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

constexpr std::int64_t kMaxDigits = 1000;

std::string in_base(std::uint64_t size, unsigned base, bool capital) {
  const std::string_view all = capital ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string digits;
  do {
    digits += all[size % base];
    size /= base;
  } while (size != 0);
  std::ranges::reverse(digits);
  return digits;
}

/// Python's "e" has two digits of exponent at least, as C's has; its "g" drops zeros at the end.
std::string float_digits(double size, const FormatSpec& spec) {
  if (std::isnan(size)) return "nan";
  if (std::isinf(size)) return "inf";
  if (spec.type == '\0' && spec.precision < 0) return represent(size);
  const char type = spec.type == '\0' || spec.type == 'n' ? 'g'
                    : spec.type == '%'                    ? 'f'
                                                          : spec.type;
  const char pattern[] = {'%',
                          spec.alternate ? '#' : '.',
                          spec.alternate ? '.' : '*',
                          spec.alternate ? '*' : type,
                          spec.alternate ? type : '\0',
                          '\0'};
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  const double value = spec.type == '%' ? size * 100 : size;
  std::string text(1500, '\0');
  text.resize(static_cast<std::size_t>(std::snprintf(
      text.data(), text.size(), static_cast<const char*>(pattern), precision, value)));
  if (spec.type == '%') text += '%';
  return text;
}

std::string grouped(const std::string& digits, char mark, std::size_t every) {
  const std::size_t whole =
      std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % every == 0) text += mark;
    text += digits[i];
  }
  return text;
}

struct Number {
  bool negative = false;
  std::string prefix;
  std::string digits;
};

Number integer_number(Run& run, std::int64_t value, const FormatSpec& spec) {
  Number made{value < 0, "", ""};
  const std::uint64_t size =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  switch (spec.type) {
    case 'x':
    case 'X':
      made.prefix = spec.type == 'x' ? "0x" : "0X";
      made.digits = in_base(size, 16, spec.type == 'X');
      break;
    case 'o':
      made.prefix = "0o";
      made.digits = in_base(size, 8, false);
      break;
    case 'b':
      made.prefix = "0b";
      made.digits = in_base(size, 2, false);
      break;
    case '\0':
    case 'd':
    case 'n':
      made.digits = std::to_string(size);
      break;
    default:
      run.fail("format: \"{}\" is no form of an int", spec.type);
  }
  if (!spec.alternate) made.prefix.clear();
  return made;
}

bool is_float_type(char type) {
  return std::string_view("eEfFgG%").find(type) != std::string_view::npos;
}

Text format_number(Run& run, const Value& value, const FormatSpec& spec) {
  std::int64_t of_bool = 0;
  double size = 0;
  value.number(size);
  const std::int64_t* integer = value.integer(of_bool);
  Number number;
  if (integer && !is_float_type(spec.type)) {
    number = integer_number(run, *integer, spec);
  } else {
    if (spec.type != '\0' && spec.type != 'n' && !is_float_type(spec.type))
      run.fail("format: \"{}\" is no form of a float", spec.type);
    number = {std::signbit(size) && !std::isnan(size), "", float_digits(std::fabs(size), spec)};
  }
  if (spec.grouping != '\0') {
    const bool of_four = std::string_view("xXob").find(spec.type) != std::string_view::npos;
    number.digits = grouped(number.digits, spec.grouping, of_four ? 4 : 3);
  }
  const std::string sign = number.negative    ? "-"
                           : spec.sign == '-' ? ""
                                              : std::string(1, spec.sign);
  const std::string front = sign + number.prefix;
  const char align = spec.align ? spec.align : spec.zero ? '=' : '>';
  const Text fill(spec.zero && !spec.align ? "0" : spec.fill);
  if (align == '=') {
    Text text(front);
    text.append(
        padded(run, Text(number.digits), spec.width - std::ssize(front), fill, Padding::before));
    return text;
  }
  const Padding padding = align == '<'   ? Padding::after
                          : align == '>' ? Padding::before
                                         : Padding::around;
  return padded(run, Text(front + number.digits), spec.width, fill, padding);
}

/// In the middle, Python's format puts the odd one after.
Text centered(Run& run, const Text& text, const FormatSpec& spec) {
  const auto size = static_cast<std::int64_t>(count_characters(text.view()));
  const std::int64_t left = std::max<std::int64_t>(spec.width - size, 0) / 2;
  return padded(run, padded(run, text, size + left, Text(spec.fill), Padding::before), spec.width,
                Text(spec.fill), Padding::after);
}

}  // namespace

std::int64_t read_digits(Run& run, std::string_view text, std::size_t& at, std::int64_t otherwise) {
  std::int64_t number = 0;
  const std::size_t begin = at;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    number = number * 10 + (text[at] - '0');
    if (number > (std::int64_t{1} << 31)) run.fail("format: a number is too large");
  }
  return at == begin ? otherwise : number;
}

FormatSpec parse_spec(Run& run, std::string_view text) {
  constexpr std::string_view kAligns = "<>^=";
  FormatSpec spec;
  std::size_t at = 0;
  const auto next_is = [&](char c) { return at < text.size() && text[at] == c && (++at, true); };
  const std::size_t first = text.empty() ? 0 : character_at(text, 0).size;
  if (first < text.size() && kAligns.find(text[first]) != std::string_view::npos) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    at = first + 1;
  } else if (!text.empty() && kAligns.find(text[0]) != std::string_view::npos) {
    spec.align = text[0];
    at = 1;
  }
  if (at < text.size() && std::string_view("+- ").find(text[at]) != std::string_view::npos)
    spec.sign = text[at++];
  spec.alternate = next_is('#');
  spec.zero = next_is('0');
  spec.width = read_digits(run, text, at, 0);
  if (at < text.size() && (text[at] == ',' || text[at] == '_')) spec.grouping = text[at++];
  if (next_is('.')) {
    spec.precision = read_digits(run, text, at, -1);
    if (spec.precision < 0 || spec.precision > kMaxDigits)
      run.fail("format: expected a precision of 0 to {}", std::int64_t{kMaxDigits});
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) run.fail("format: \"{}\" is no format", text.substr(0, 40));
  return spec;
}

Text format_value(Run& run, const Value& value, const FormatSpec& spec) {
  double number = 0;
  if (value.number(number) && !(value.holds<bool>() && spec.type == '\0'))
    return format_number(run, value, spec);
  if (spec.type != '\0' && spec.type != 's')
    run.fail("format: \"{}\" is no form of a {}", spec.type, value.type_name());
  Text text = run.text_of(value);
  if (spec.precision >= 0)
    text = text.substr(0, offset_of(text.view(), static_cast<std::size_t>(spec.precision)));
  if (spec.align == '^') return centered(run, text, spec);
  const Padding padding = spec.align == '>' || spec.align == '=' ? Padding::before : Padding::after;
  return padded(run, text, spec.width, Text(spec.zero && !spec.align ? "0" : spec.fill), padding);
}

}  // namespace quern::jinja
