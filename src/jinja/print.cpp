#include "jinja/print.h"

#include <charconv>
#include <cmath>

#include "jinja/globals.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

void append_represented(Run& run, const Value& value, Text& to);

/// Two, four or eight hexadecimal digits behind their letter.
std::string escape(char32_t code) {
  const auto number = static_cast<std::uint32_t>(code);
  if (code < 0x100) return fmt::format("\\x{:02x}", number);
  return code < 0x10000 ? fmt::format("\\u{:04x}", number) : fmt::format("\\U{:08x}", number);
}

void append_quoted(const Text& text, Text& to) {
  const bool has_single = text.bytes().find('\'') != std::string::npos;
  const char quote = has_single && text.bytes().find('"') == std::string::npos ? '"' : '\'';
  to.append({&quote, 1});
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text.view(), at);
    const char c = text.bytes()[at];
    const bool data = text.is_data(at);
    if (c == quote || c == '\\') {
      to.append(std::string{'\\', c}, data);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      to.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", data);
    } else if (!is_printable(one.code)) {
      to.append(escape(one.code), data);
    } else {
      to.append(text, at, one.size);
    }
    at += one.size;
  }
  to.append({&quote, 1});
}

void append_items(Run& run, const Values& items, Text& to) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) to.append(", ");
    append_represented(run, items[i], to);
  }
}

void append_sequence(Run& run, const Sequence& sequence, Text& to) {
  using Kind = Sequence::Kind;
  switch (sequence.kind) {
    case Kind::list:
      to.append("[");
      append_items(run, sequence.items, to);
      return to.append("]");
    case Kind::tuple:
      to.append("(");
      append_items(run, sequence.items, to);
      return to.append(sequence.items.size() == 1 ? ",)" : ")");
    case Kind::range: {
      const auto& range = sequence.range;
      return to.append(range[2] == 1
                           ? fmt::format("range({}, {})", range[0], range[1])
                           : fmt::format("range({}, {}, {})", range[0], range[1], range[2]));
    }
    case Kind::generator:
      return to.append("<generator object>");
    default:
      to.append(sequence.kind == Kind::items  ? "dict_items(["
                : sequence.kind == Kind::keys ? "dict_keys(["
                                              : "dict_values([");
      append_items(run, sequence.items, to);
      to.append("])");
  }
}

void append_dict(Run& run, const Dict& dict, Text& to) {
  to.append("{");
  bool first = true;
  for (const auto& [key, value] : dict.members) {
    if (!first) to.append(", ");
    first = false;
    append_represented(run, key, to);
    to.append(": ");
    append_represented(run, value, to);
  }
  to.append("}");
}

void append_represented(Run& run, const Value& value, Text& to) {
  const Run::Level level(run);
  const std::size_t before = to.size();
  if (const Text* text = value.text()) {
    if (text->safe) to.append("Markup(");
    append_quoted(*text, to);
    if (text->safe) to.append(")");
    run.charge(to.size() - before);
  } else if (const Sequence* sequence = value.sequence()) {
    append_sequence(run, *sequence, to);
  } else if (const Dict* dict = value.dict()) {
    append_dict(run, *dict, to);
  } else if (value.is_undefined()) {
    to.append("Undefined");
  } else {
    to.append(to_text(run, value));
    run.charge(to.size() - before);
  }
}

}  // namespace

std::string represent(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char digits[40];
  const auto end =
      std::to_chars(std::begin(digits), std::end(digits), value, std::chars_format::scientific);
  const std::string shortest(digits, end.ptr);
  const int exponent = std::atoi(shortest.c_str() + shortest.find('e') + 1);
  if (exponent >= -4 && exponent < 16) {
    const auto fixed =
        std::to_chars(std::begin(digits), std::end(digits), value, std::chars_format::fixed);
    std::string text(digits, fixed.ptr);
    if (text.find('.') == std::string::npos) text += ".0";
    return text;
  }
  return shortest;
}

Text to_text(Run& run, const Value& value) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return {};
  if (value.is_none()) return Text("None");
  if (const bool* held = value.find<bool>()) return Text(*held ? "True" : "False");
  if (const auto* held = value.find<std::int64_t>()) return Text(std::to_string(*held));
  if (const double* held = value.find<double>()) return Text(represent(*held));
  if (const Object* object = value.object()) return Text(object->describe(run));
  return represent(run, value);
}

Text represent(Run& run, const Value& value) {
  Text text;
  append_represented(run, value, text);
  return text;
}

}  // namespace quern::jinja
