#include "jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "jinja/format.h"
#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

[[noreturn]] void fail_types(Run& run, std::string_view sign, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    const auto* nothing = value->find<Undefined>();
    if (nothing && nothing->why) run.fail("\"{}\": {}", sign, *nothing->why);
  }
  run.fail("\"{}\" takes no {} and {}", sign, a.type_name(), b.type_name());
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value power(Run& run, std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) run.fail("\"**\": 0 has no negative power");
    return Value::of(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  for (bool over = false; exponent > 0; exponent >>= 1) {
    if (exponent & 1) over |= __builtin_mul_overflow(result, base, &result);
    if (over) run.fail_unsupported("\"**\": an integer beyond 64 bits");
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) over = true;
  }
  return Value::of(result);
}

Value integers(Run& run, std::string_view sign, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool over = false;
  if ((sign == "/" || sign == "//" || sign == "%") && b == 0)
    run.fail("\"{}\": division by zero", sign);
  if (sign == "/") return Value::of(static_cast<double>(a) / static_cast<double>(b));
  if (sign == "**") return power(run, a, b);
  if (sign == "+") over = __builtin_add_overflow(a, b, &result);
  if (sign == "-") over = __builtin_sub_overflow(a, b, &result);
  if (sign == "*") over = __builtin_mul_overflow(a, b, &result);
  if (sign == "//" || sign == "%") {
    if (b == -1) {
      over = sign == "//" && __builtin_sub_overflow(std::int64_t{0}, a, &result);
    } else {
      result = floor_divide(a, b);
      if (sign == "%") result = a - result * b;
    }
  }
  if (over) run.fail_unsupported(fmt::format("\"{}\": an integer beyond 64 bits", sign));
  return Value::of(result);
}

Value floats(Run& run, std::string_view sign, double a, double b) {
  if (sign == "+") return Value::of(a + b);
  if (sign == "-") return Value::of(a - b);
  if (sign == "*") return Value::of(a * b);
  if (sign == "**") {
    if (a == 0 && b < 0) run.fail("\"**\": 0 has no negative power");
    if (a < 0 && std::floor(b) != b) run.fail_unsupported("\"**\": a complex number");
    return Value::of(std::pow(a, b));
  }
  if (b == 0) run.fail("\"{}\": division by zero", sign);
  if (sign == "/") return Value::of(a / b);
  double remainder = std::fmod(a, b);
  if (remainder != 0 && (remainder < 0) != (b < 0)) remainder += b;
  if (sign == "%") return Value::of(remainder == 0 ? std::copysign(0.0, b) : remainder);
  double quotient = (a - remainder) / b;
  const double whole = std::floor(quotient);
  if (quotient != 0) quotient = quotient - whole > 0.5 ? whole + 1 : whole;
  return Value::of(quotient);
}

Value joined(Run& run, const Value& a, const Value& b) {
  Text text;
  const bool safe = a.text()->safe || b.text()->safe;
  for (const Value* value : {&a, &b})
    text.append(safe && !value->text()->safe ? escaped(run, *value) : *value->text());
  text.safe = safe;
  return run.make_text(std::move(text));
}

Value repeated(Run& run, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (const Text* text = value.text()) {
    if (times != 0 && text->size() > (std::size_t{1} << 40) / times)
      run.charge(std::size_t{1} << 40);
    run.charge(text->size() * times);
    Text result;
    for (std::size_t i = 0; i < times && !text->empty(); ++i) result.append(*text);
    result.safe = text->safe;
    return Value::of(std::move(result));
  }
  const Sequence& sequence = *value.sequence();
  const std::size_t size = sequence.items.size() * sizeof(Value);
  if (times != 0 && size > (std::size_t{1} << 40) / times) run.charge(std::size_t{1} << 40);
  run.charge(size * times);
  Values items;
  for (std::size_t i = 0; i < times && size != 0; ++i)
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  return make_sequence(sequence.kind, std::move(items));
}

bool is_list_or_tuple(const Value& value) {
  return value.sequence() && value.sequence()->kind <= Sequence::Kind::tuple;
}

/// What is not a matter of two numbers; undefined where there is no such operation.
Value other_arithmetic(Run& run, std::string_view sign, const Value& a, const Value& b) {
  std::int64_t of_bool = 0;
  if (sign == "+" && a.text() && b.text()) return joined(run, a, b);
  if (sign == "+" && is_list_or_tuple(a) && is_list_or_tuple(b) &&
      a.sequence()->kind == b.sequence()->kind) {
    Values items = a.sequence()->items;
    items.insert(items.end(), b.sequence()->items.begin(), b.sequence()->items.end());
    run.charge(items.size() * sizeof(Value));
    return make_sequence(a.sequence()->kind, std::move(items));
  }
  if (sign == "*" && (a.text() || is_list_or_tuple(a))) {
    if (const auto* count = b.integer(of_bool)) return repeated(run, a, *count);
  }
  if (sign == "*" && (b.text() || is_list_or_tuple(b))) {
    if (const auto* count = a.integer(of_bool)) return repeated(run, b, *count);
  }
  if (sign == "%" && a.text()) return run.make_text(format_percent(run, *a.text(), b));
  return {};
}

int order_items(Run& run, const Values& a, const Values& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!a[i].is(b[i]) && !equal(run, a[i], b[i])) return order(run, a[i], b[i]);
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

}  // namespace

Value arithmetic(Run& run, std::string_view sign, const Value& a, const Value& b) {
  std::int64_t of_bool[2] = {};
  const std::int64_t* i = a.integer(of_bool[0]);
  const std::int64_t* j = b.integer(of_bool[1]);
  if (i && j) return integers(run, sign, *i, *j);
  double x = 0, y = 0;
  if (a.number(x) && b.number(y)) return floats(run, sign, x, y);
  Value result = other_arithmetic(run, sign, a, b);
  if (result.is_undefined()) fail_types(run, sign, a, b);
  return result;
}

Value negated(Run& run, const Value& value) {
  if (const double* held = value.find<double>()) return Value::of(-*held);
  return arithmetic(run, "-", Value::of(std::int64_t{0}), value);
}

int order(Run& run, const Value& a, const Value& b) {
  run.step();
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  std::int64_t of_bool[2] = {};
  const std::int64_t* i = a.integer(of_bool[0]);
  const std::int64_t* j = b.integer(of_bool[1]);
  if (i && j) return sign(*i, *j);
  double x = 0, y = 0;
  if (a.number(x) && b.number(y)) return sign(x, y);
  // The order of UTF-8's bytes is that of its characters.
  if (a.text() && b.text()) return sign(a.text()->bytes(), b.text()->bytes());
  if (is_list_or_tuple(a) && is_list_or_tuple(b) && a.sequence()->kind == b.sequence()->kind) {
    const Run::Level level(run);
    return order_items(run, a.sequence()->items, b.sequence()->items);
  }
  fail_types(run, "<", a, b);
}

bool contains(Run& run, const Value& item, const Value& container) {
  if (const Text* text = container.text()) {
    if (!item.text()) fail_types(run, "in", item, container);
    run.step(1 + text->size() / 64);
    return text->bytes().find(item.text()->bytes()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (!is_hashable(item)) fail_types(run, "in", item, container);
    return dict->find(item) != nullptr;
  }
  if (!container.sequence() && !container.is_undefined()) fail_types(run, "in", item, container);
  return std::ranges::any_of(run.iterate(container), [&](const Value& one) {
    return one.is(item) || equal(run, one, item);
  });
}

bool compare(Run& run, std::string_view word, const Value& a, const Value& b) {
  if (word == "==") return equal(run, a, b);
  if (word == "!=") return !equal(run, a, b);
  if (word == "in") return contains(run, a, b);
  if (word == "not in") return !contains(run, a, b);
  double x = 0, y = 0;
  if (a.number(x) && b.number(y) && (std::isnan(x) || std::isnan(y))) return false;
  const int sign = order(run, a, b);
  if (word == "<") return sign < 0;
  if (word == "<=") return sign <= 0;
  return word == ">" ? sign > 0 : sign >= 0;
}

namespace {

struct Range {
  std::int64_t begin, end, step, count;
};

/// The places that a slice takes of `size` items.
Range range_of(Run& run, std::int64_t size, const Value& begin, const Value& end,
               const Value& step) {
  const auto number = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    std::int64_t of_bool = 0;
    const std::int64_t* held = value.integer(of_bool);
    if (!held) run.fail("a slice: expected integers, got {}", value.type_name());
    return *held;
  };
  const std::int64_t by = number(step, 1);
  if (by == 0) run.fail("a slice: its step is 0");
  const bool back = by < 0;
  const auto clamped = [&](std::int64_t at) {
    if (at < 0) at = at < -size ? -1 : at + size;
    return std::clamp<std::int64_t>(at, back ? -1 : 0, back ? size - 1 : size);
  };
  const std::int64_t first = begin.is_none() ? (back ? size - 1 : 0) : clamped(number(begin, 0));
  const std::int64_t last = end.is_none() ? (back ? -1 : size) : clamped(number(end, 0));
  const std::int64_t span = back ? first - last : last - first;
  const std::int64_t width = back ? (by == INT64_MIN ? INT64_MAX : -by) : by;
  return {first, last, by, span <= 0 ? 0 : (span - 1) / width + 1};
}

}  // namespace

Value slice(Run& run, const Value& value, const Value& begin, const Value& end, const Value& step) {
  if (const Sequence* sequence = value.sequence(); sequence && sequence->has_index()) {
    const Range range =
        range_of(run, static_cast<std::int64_t>(sequence->items.size()), begin, end, step);
    run.charge(static_cast<std::size_t>(range.count) * sizeof(Value));
    Values items;
    for (std::int64_t i = 0; i < range.count; ++i)
      items.push_back(sequence->items[static_cast<std::size_t>(range.begin + i * range.step)]);
    auto made = std::make_shared<Sequence>(
        Sequence{.kind = sequence->kind, .items = std::move(items), .depth = sequence->depth});
    // Of a range, which numbers it is of; these may be none that 64 bits hold, and then wrap.
    const auto number = [&](std::int64_t at) {
      return static_cast<std::int64_t>(static_cast<std::uint64_t>(sequence->range[0]) +
                                       static_cast<std::uint64_t>(at) *
                                           static_cast<std::uint64_t>(sequence->range[2]));
    };
    made->range[0] = number(range.begin);
    made->range[1] = number(range.end);
    made->range[2] = static_cast<std::int64_t>(static_cast<std::uint64_t>(number(range.step)) -
                                               static_cast<std::uint64_t>(sequence->range[0]));
    return Value::Variant(std::move(made));
  }
  const Text* text = value.text();
  if (!text) {
    const auto* nothing = value.find<Undefined>();
    if (nothing && nothing->why) run.fail("a slice: {}", *nothing->why);
    run.fail("a {} has no slices", value.type_name());
  }
  run.charge(text->size() / 16);
  const auto size = static_cast<std::int64_t>(count_characters(text->view()));
  const Range range = range_of(run, size, begin, end, step);
  const std::string_view view = text->view();
  if (range.step == 1) {
    const std::size_t from = offset_of(view, static_cast<std::size_t>(range.begin));
    const std::size_t count = offset_of(view.substr(from), static_cast<std::size_t>(range.count));
    return run.make_text(text->substr(from, count));
  }
  run.charge(view.size() * sizeof(std::size_t));
  std::vector<std::size_t> offsets;
  for (std::size_t at = 0; at < view.size(); at += character_at(view, at).size)
    offsets.push_back(at);
  Text result;
  result.safe = text->safe;
  for (std::int64_t i = 0; i < range.count; ++i) {
    const std::size_t at = offsets[static_cast<std::size_t>(range.begin + i * range.step)];
    result.append(*text, at, character_at(view, at).size);
  }
  return run.make_text(std::move(result));
}

Text escaped(Run& run, const Value& value) {
  const Text text = run.text_of(value);
  if (text.safe) return text;
  Text result;
  result.safe = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text.bytes()[i]) {
      case '&':
        result.append("&amp;", text.is_data(i));
        break;
      case '<':
        result.append("&lt;", text.is_data(i));
        break;
      case '>':
        result.append("&gt;", text.is_data(i));
        break;
      case '"':
        result.append("&#34;", text.is_data(i));
        break;
      case '\'':
        result.append("&#39;", text.is_data(i));
        break;
      default:
        result.append(text, i, 1);
    }
  }
  run.charge(result.size());
  return result;
}

}  // namespace quern::jinja
