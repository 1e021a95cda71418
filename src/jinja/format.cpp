#include "jinja/format.h"

#include <cmath>

#include "jinja/format_spec.h"
#include "jinja/operators.h"
#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

/// The values of `format % values` as its places take them.
class Taker {
 public:
  Taker(Run& run, const Value& values) : run_(run), values_(values) {
    const Sequence* tuple = values.sequence();
    if (tuple && tuple->kind == Sequence::Kind::tuple) {
      given_ = tuple->items;
    } else {
      given_ = {values};
    }
  }

  Value take() {
    if (next_ == given_.size()) run_.fail("\"%\": too few values for the format");
    return given_[next_++];
  }
  Value take(std::string_view name) {
    const Dict* dict = values_.dict();
    if (!dict) run_.fail("\"%\": the format names values, and needs a dict");
    named_ = true;
    const Value* found = dict->find(name);
    if (!found) run_.fail("\"%\": there is no value \"{}\"", name);
    return *found;
  }
  void finish() const {
    // What has items by a key may hold more than is named.
    const bool keyed = values_.dict() || values_.is_undefined() ||
                       (values_.sequence() && values_.sequence()->has_index() &&
                        values_.sequence()->kind != Sequence::Kind::tuple);
    if (next_ < given_.size() && !named_ && !keyed)
      run_.fail("\"%\": too many values for the format");
  }

 private:
  Run& run_;
  const Value& values_;
  Values given_;
  std::size_t next_ = 0;
  bool named_ = false;
};

Text converted(Run& run, const Value& value, FormatSpec spec) {
  double number = 0;
  switch (spec.type) {
    case 's':
    case 'r':
    case 'a': {
      const Text text = spec.type == 's' ? run.text_of(value) : represent(run, value);
      spec.type = 's';
      return format_value(run, Value::of(text), spec);
    }
    case 'c':
      if (value.text() && count_characters(value.text()->view()) == 1) {
        spec.type = 's';
        return format_value(run, value, spec);
      }
      run.fail("\"%c\": expected one character");
    case 'd':
    case 'i':
    case 'u': {
      if (!value.number(number)) run.fail("\"%d\": expected a number, got a {}", value.type_name());
      if (!(std::fabs(number) < 9.2e18)) run.fail("\"%d\": a number beyond 64 bits");
      std::int64_t of_bool = 0;
      const std::int64_t* whole = value.integer(of_bool);
      spec.type = 'd';
      spec.precision = -1;
      return format_value(run, Value::of(whole ? *whole : static_cast<std::int64_t>(number)), spec);
    }
    default:
      if (!value.number(number)) run.fail("\"%\": expected a number, got a {}", value.type_name());
      return format_value(run, value, spec);
  }
}

/// Reads the place at `at`, which is behind its "%", and moves past it.
Text place(Run& run, std::string_view view, std::size_t& at, Taker& taker) {
  std::optional<std::string_view> name;
  if (at < view.size() && view[at] == '(') {
    const std::size_t end = view.find(')', at);
    if (end == std::string_view::npos) run.fail("\"%\": a name in the format has no end");
    name = view.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  FormatSpec spec;
  spec.align = '>';
  for (; at < view.size() && std::string_view("#0- +").find(view[at]) != std::string_view::npos;
       ++at) {
    if (view[at] == '#') spec.alternate = true;
    if (view[at] == '-') spec.align = '<';
    if (view[at] == '0') spec.zero = true;
    if (view[at] == '+' || (view[at] == ' ' && spec.sign != '+')) spec.sign = view[at];
  }
  spec.width = read_digits(run, view, at, 0);
  if (at < view.size() && view[at] == '.') {
    spec.precision = read_digits(run, view, ++at, 0);
    if (spec.precision > 1000) run.fail("\"%\": expected a precision of at most 1000");
  }
  while (at < view.size() && std::string_view("hlL").find(view[at]) != std::string_view::npos) ++at;
  constexpr std::string_view kTypes = "srcadiufFeEgGxXo";
  if (at == view.size() || kTypes.find(view[at]) == std::string_view::npos)
    run.fail("\"%\": the format has an unfinished or unknown place");
  spec.type = view[at++];
  if (std::string_view("src").find(spec.type) != std::string_view::npos) spec.zero = false;
  if (spec.zero && spec.align == '>') spec.align = '\0';
  return converted(run, name ? taker.take(*name) : taker.take(), spec);
}

/// The fields of `format.format(...)`.
class Fields {
 public:
  Fields(Run& run, const Arguments& arguments) : run_(run), arguments_(arguments) {}

  /// `field` is what stands between braces.
  Text write(std::string_view field) {
    const std::size_t colon = spec_of(field);
    std::string_view name = field.substr(0, colon);
    const std::string spec = colon == field.size() ? "" : nested(field.substr(colon + 1));
    char conversion = '\0';
    if (name.size() >= 2 && name[name.size() - 2] == '!') {
      conversion = name.back();
      name.remove_suffix(2);
    }
    Value value = find(name);
    if (conversion == 'r' || conversion == 'a') value = Value::of(represent(run_, value));
    if (conversion == 's') value = Value::of(run_.text_of(value));
    if (spec.empty()) return run_.text_of(value);
    return format_value(run_, value, parse_spec(run_, spec));
  }

 private:
  /// Where the ":" of a format stands, or the end.
  static std::size_t spec_of(std::string_view field) {
    int open = 0;
    for (std::size_t i = 0; i < field.size(); ++i) {
      if (field[i] == '[') ++open;
      if (field[i] == ']') --open;
      if (field[i] == ':' && open == 0) return i;
    }
    return field.size();
  }

  /// A format with fields of its own in it.
  std::string nested(std::string_view spec) {
    std::string text;
    for (std::size_t at = 0; at < spec.size();) {
      const std::size_t end = spec[at] == '{' ? spec.find('}', at) : std::string_view::npos;
      if (end == std::string_view::npos) {
        text += spec[at++];
      } else {
        text += run_.text_of(find(spec.substr(at + 1, end - at - 1))).bytes();
        at = end + 1;
      }
    }
    return text;
  }

  Value find(std::string_view name) {
    std::size_t at = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, at);
    Value value;
    std::size_t digits = 0;
    const std::int64_t index = read_digits(run_, first, digits, -1);
    if (first.empty() || (digits == first.size() && index >= 0)) {
      const auto place = first.empty() ? next_++ : static_cast<std::size_t>(index);
      if (place >= arguments_.positional.size()) run_.fail("format: there is no value {}", place);
      value = arguments_.positional[place];
    } else {
      const Value* found = arguments_.find(first);
      if (!found) run_.fail("format: there is no value \"{}\"", first);
      value = *found;
    }
    while (at < name.size()) value = part(value, name, at);
    return value;
  }

  Value part(const Value& value, std::string_view name, std::size_t& at) {
    const bool member = name[at] == '.';
    const std::size_t end =
        member ? std::min(name.find_first_of(".[", at + 1), name.size()) : name.find(']', at);
    if (end == std::string_view::npos) run_.fail("format: a \"[\" has no end");
    const std::string_view word = name.substr(at + 1, end - at - 1);
    at = member ? end : end + 1;
    if (member) return run_.member(value, Text(std::string(word)));
    std::size_t digits = 0;
    const std::int64_t index = read_digits(run_, word, digits, -1);
    const bool number = index >= 0 && digits == word.size();
    return run_.item(value, number ? Value::of(index) : Value::of(std::string(word)));
  }

  Run& run_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
};

/// Where the brace that closes the one before `at` stands.
std::size_t closing_brace(Run& run, std::string_view view, std::size_t at) {
  for (int open = 1; at < view.size(); ++at) {
    if (view[at] == '{') ++open;
    if (view[at] == '}' && --open == 0) return at;
  }
  run.fail("format: a \"{{\" has no end");
}

}  // namespace

Text format_percent(Run& run, const Text& format, const Value& values) {
  Taker taker(run, values);
  Text result;
  result.safe = format.safe;
  const std::string_view view = format.view();
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t next = std::min(view.find('%', at), view.size());
    result.append(format, at, next - at);
    at = next + 1;
    if (next == view.size()) break;
    if (at < view.size() && view[at] == '%') {
      result.append(format, at++, 1);
      continue;
    }
    const Text part = place(run, view, at, taker);
    result.append(format.safe ? escaped(run, Value::of(part)) : part);
    run.charge(part.size());
  }
  taker.finish();
  return result;
}

Text format_braces(Run& run, const Text& format, const Arguments& arguments) {
  Fields fields(run, arguments);
  Text result;
  result.safe = format.safe;
  const std::string_view view = format.view();
  for (std::size_t at = 0; at < view.size(); ++at) {
    const char c = view[at];
    const bool doubled = at + 1 < view.size() && view[at + 1] == c;
    if (c != '{' && c != '}') {
      result.append(format, at, 1);
    } else if (doubled) {
      result.append(format, at++, 1);
    } else if (c == '}') {
      run.fail("format: a \"}}\" was not opened");
    } else {
      const std::size_t end = closing_brace(run, view, at + 1);
      const Text part = fields.write(view.substr(at + 1, end - at - 1));
      result.append(format.safe ? escaped(run, Value::of(part)) : part);
      run.charge(part.size());
      at = end;
    }
  }
  return result;
}

}  // namespace quern::jinja
