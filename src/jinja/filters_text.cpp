#include "jinja/filters_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "jinja/format.h"
#include "jinja/json_text.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/text_steps.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

Value text_value(Run& run, const Value& value) {
  return value.text() ? value : Value::of(run.text_of(value));
}

/// A filter that is a method of str on what the value prints.
template <std::size_t size>
struct Title {
  char text[size];
  constexpr Title(const char (&from)[size]) { std::ranges::copy(from, text); }
};
template <Title name>
Value as_method(Run& run, const Value& input, const Arguments& arguments) {
  return find_text_method(name.text)(run, text_value(run, input), arguments);
}

Value trim(Run& run, const Value& input, const Arguments& arguments) {
  return find_text_method("strip")(run, text_value(run, input), arguments);
}

Value title(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "title", arguments, {});
  const Text text = run.text_of(input);
  std::string result;
  bool starts = true;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text.view(), at);
    const std::string_view letter = text.view().substr(at, one.size);
    const bool splits = is_space(one.code) || letter.find_first_of("-({[<") == 0;
    result += starts ? to_upper(letter) : to_lower(letter);
    starts = splits;
    at += one.size;
  }
  return run.make_text(text.remade(std::move(result)));
}

Value replace(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "replace", arguments, {"old", "new", "count"}, 2);
  Text text = run.text_of(input);
  text.safe = false;
  const std::int64_t count = bound.is_none(2) ? -1 : bound.integer(2, -1);
  return run.make_text(replaced(run, text, run.text_of(bound[0]), run.text_of(bound[1]), count));
}

Value indent(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "indent", arguments, {"width", "first", "blank"});
  if (!input.text()) run.fail("indent: expected a string, got a {}", input.type_name());
  Text text = *input.text();
  const bool safe = text.safe;
  const Text by =
      bound.has(0) && bound[0].text()
          ? *bound[0].text()
          : Text(std::string(
                static_cast<std::size_t>(std::clamp<std::int64_t>(bound.integer(0, 4), 0, 1 << 16)),
                ' '));
  text.append("\n");
  Text result;
  bool first = true;
  for (const Text& line : lines_of(text, false)) {
    if (!first) result.append("\n");
    const bool indents = first ? bound.flag(1, false) : !line.empty() || bound.flag(2, false);
    if (indents) result.append(by);
    if (indents) run.charge(by.size());
    result.append(line);
    first = false;
  }
  result.safe = safe;
  return run.make_text(std::move(result));
}

Value truncate(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "truncate", arguments, {"length", "killwords", "end", "leeway"});
  if (!input.text()) {
    Arguments none;
    const Value size = run.filter("length", input, none);
    const std::int64_t leeway = bound.is_none(3) ? 5 : bound.integer(3, 5);
    const std::int64_t most = bound.integer(0, 255);
    if (most < (1 << 30) && leeway < (1 << 30) && order(run, size, Value::of(most + leeway)) <= 0)
      return input;
    run.fail("truncate: expected a string, got a {}", input.type_name());
  }
  const Text& text = *input.text();
  const Text end = bound.has(2) ? bound.text(2) : Text("...");
  const std::int64_t length = bound.integer(0, 255);
  const std::int64_t leeway = bound.is_none(3) ? 5 : bound.integer(3, 5);
  const auto size = static_cast<std::int64_t>(count_characters(text.view()));
  const std::int64_t kept = length - static_cast<std::int64_t>(count_characters(end.view()));
  if (kept < 0 || leeway < 0) run.fail("truncate: its length is less than that of its end");
  if (size <= length || size - length <= leeway) return Value::of(text);
  Text cut = text.substr(0, offset_of(text.view(), static_cast<std::size_t>(kept)));
  if (!bound.flag(1, false)) {
    const std::size_t space = cut.bytes().rfind(' ');
    if (space != std::string::npos) cut = cut.substr(0, space);
  }
  cut.append(end);
  return run.make_text(std::move(cut));
}

Value word_count(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "wordcount", arguments, {});
  const Text text = run.text_of(input);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text.view(), at);
    const bool word = is_word(one.code);
    words += word && !inside ? 1 : 0;
    inside = word;
    at += one.size;
  }
  return Value::of(words);
}

Value url_encode(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "urlencode", arguments, {});
  const auto quoted = [&](const Value& value, bool query) {
    std::string result;
    const Text plain_text = run.text_of(value);
    for (const char c : plain_text.bytes()) {
      const bool plain =
          (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query);
      result += plain               ? std::string(1, c)
                : query && c == ' ' ? "+"
                                    : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
  };
  const Text whole = input.text() ? *input.text() : Text::data("x");
  if (input.text() || (!input.dict() && !input.sequence()))
    return run.make_text(whole.remade(quoted(input, false)));
  std::string result;
  for (const Value& item : run.iterate(input)) {
    const Values pair = input.dict() ? Values{item, *input.dict()->find(item)} : run.iterate(item);
    if (pair.size() != 2) run.fail("urlencode: expected pairs");
    result += (result.empty() ? "" : "&") + quoted(pair[0], true) + "=" + quoted(pair[1], true);
  }
  return run.make_text(Text::data(std::move(result)));
}

Value format(Run& run, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    run.fail("format: expected positional arguments or named ones, got both");
  if (arguments.named.empty()) {
    return run.make_text(format_percent(
        run, run.text_of(input), make_sequence(Sequence::Kind::tuple, arguments.positional)));
  }
  Dict named;
  for (const auto& [name, value] : arguments.named) named.set(Value::of(name), value);
  return run.make_text(format_percent(run, run.text_of(input), make_dict(std::move(named))));
}

/// What Python's `float` reads of a text; nothing where it reads none.
std::optional<double> read_float(std::string_view text) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  if (text.starts_with('+')) text.remove_prefix(text.starts_with("+-") ? 0 : 1);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() &&
                         std::isdigit(static_cast<unsigned char>(text[i - 1])) &&
                         std::isdigit(static_cast<unsigned char>(text[i + 1]));
    if (text[i] != '_' || !between) digits += text[i];
  }
  double value = 0;
  const char* last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value);
  if (digits.empty() || end != last || digits.find('(') != std::string::npos) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::strtod(digits.c_str(), nullptr);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> read_integer(std::string_view text, std::int64_t base) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  std::string digits(text);
  bool negative = false;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  const auto has_prefix = [&](char letter) {
    return digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == letter;
  };
  const std::pair<char, std::int64_t> kPrefixes[] = {{'x', 16}, {'o', 8}, {'b', 2}};
  for (const auto& [letter, of] : kPrefixes) {
    if ((base == of || base == 0) && has_prefix(letter)) {
      digits.erase(0, 2);
      base = of;
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::nullopt;
  if (!digits.empty() && digits.front() != '_' && digits.back() != '_') std::erase(digits, '_');
  if (digits.starts_with('-')) return std::nullopt;
  std::int64_t value = 0;
  digits.insert(0, negative ? "-" : "");
  const char* last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value, static_cast<int>(base));
  return error == std::errc() && end == last ? std::optional(value) : std::nullopt;
}

std::optional<std::int64_t> whole_part(double value) {
  if (!(std::fabs(value) < 9.2e18)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

void refuse_undefined(Run& run, const Value& value) {
  const auto* nothing = value.find<Undefined>();
  if (nothing) run.fail("{}", nothing->why ? *nothing->why : "a value is undefined");
}

Value to_int(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "int", arguments, {"default", "base"});
  refuse_undefined(run, input);
  std::optional<std::int64_t> value;
  std::int64_t of_bool = 0;
  if (const Text* text = input.text()) {
    value = read_integer(text->view(), bound.integer(1, 10));
    const auto number = value ? std::nullopt : read_float(text->view());
    if (number) value = whole_part(*number);
  } else if (const std::int64_t* held = input.integer(of_bool)) {
    value = *held;
  } else if (const double* number = input.find<double>()) {
    value = whole_part(*number);
  }
  if (value) return Value::of(*value);
  return bound.has(0) ? bound[0] : Value::of(std::int64_t{0});
}

Value to_float(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "float", arguments, {"default"});
  refuse_undefined(run, input);
  double number = 0;
  if (input.number(number)) return Value::of(number);
  const auto read = input.text() ? read_float(input.text()->view()) : std::nullopt;
  if (read) return Value::of(*read);
  return bound.has(0) ? bound[0] : Value::of(0.0);
}

Value round(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "round", arguments, {"precision", "method"});
  const std::int64_t precision = std::clamp<std::int64_t>(bound.integer(0, 0), -300, 300);
  const std::string method = bound.has(1) ? bound.text(1).bytes() : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    run.fail("round: expected common, ceil or floor");
  double number = 0;
  if (!input.number(number)) run.fail("round: expected a number, got a {}", input.type_name());
  std::int64_t of_bool = 0;
  if (method == "common") {
    const std::int64_t* whole = input.integer(of_bool);
    if (whole && precision >= 0) return Value::of(*whole);
    if (std::isnan(number) || std::isinf(number)) return input;
    if (precision >= 0)
      return Value::of(std::strtod(fmt::format("{:.{}f}", number, precision).c_str(), nullptr));
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    const double rounded = std::nearbyint(number / scale) * scale;
    if (!whole) return Value::of(rounded);
    return Value::of(whole_part(rounded).value_or(*whole));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = number * scale;
  return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value absolute(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "abs", arguments, {});
  if (const double* number = input.find<double>()) return Value::of(std::fabs(*number));
  std::int64_t of_bool = 0;
  const std::int64_t* whole = input.integer(of_bool);
  if (!whole) run.fail("abs: expected a number, got a {}", input.type_name());
  return *whole < 0 ? negated(run, Value::of(*whole)) : Value::of(*whole);
}

Value to_json_text(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "tojson", arguments,
                    {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (!bound.is_none(1)) {
    style.indent = bound[1].text() ? bound[1].text()->bytes()
                                   : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
                                                     bound.integer(1, 0), 0, 1 << 16)),
                                                 ' ');
    style.item_separator = ",";
  }
  if (!bound.is_none(2)) {
    const Values pair = run.iterate(bound[2]);
    if (pair.size() != 2 || !pair[0].text() || !pair[1].text())
      run.fail("tojson: separators: expected two strings");
    style.item_separator = pair[0].text()->bytes();
    style.key_separator = pair[1].text()->bytes();
  }
  return Value::of(to_json(run, input, style));
}

Value safe(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "safe", arguments, {});
  Text text = run.text_of(input);
  text.safe = true;
  return run.make_text(std::move(text));
}

Value escape(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "escape", arguments, {});
  return Value::of(escaped(run, input));
}

Value force_escape(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "forceescape", arguments, {});
  Text text = run.text_of(input);
  text.safe = false;
  return Value::of(escaped(run, Value::of(std::move(text))));
}

Value to_string(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "string", arguments, {});
  return text_value(run, input);
}

Value or_default(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "default", arguments, {"default_value", "boolean"});
  const bool replaces = input.is_undefined() || (bound.flag(1, false) && !truth(input));
  if (!replaces) return input;
  return bound.has(0) ? bound[0] : Value::of(std::string());
}

Value center(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "center", arguments, {"width"});
  return run.make_text(
      padded(run, run.text_of(input), bound.integer(0, 80), Text(" "), Padding::around));
}

constexpr FilterRow kTextFilters[] = {
    {"upper", as_method<"upper">},
    {"lower", as_method<"lower">},
    {"capitalize", as_method<"capitalize">},
    {"title", title},
    {"trim", trim},
    {"replace", replace},
    {"indent", indent},
    {"truncate", truncate},
    {"center", center},
    {"wordcount", word_count},
    {"urlencode", url_encode},
    {"format", format},
    {"int", to_int},
    {"float", to_float},
    {"round", round},
    {"abs", absolute},
    {"tojson", to_json_text},
    {"safe", safe},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"string", to_string},
    {"default", or_default},
    {"d", or_default},
};

}  // namespace

FilterFunction find_text_filter(std::string_view name) noexcept {
  const auto found = std::ranges::find(kTextFilters, name, &FilterRow::name);
  return found == std::end(kTextFilters) ? nullptr : found->run;
}

}  // namespace quern::jinja
