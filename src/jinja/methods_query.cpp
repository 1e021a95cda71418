#include <algorithm>

#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

/// The part of a text that "start" and "stop" leave, and the character that it begins with.
struct Window {
  std::string_view text;
  std::int64_t first = 0;
};

Window window_of(Run& run, const Value& self, const Bound& bound) {
  const std::string_view text = self.text()->view();
  run.step(1 + text.size() / 16);
  if (bound.is_none(1) && bound.is_none(2)) return {text};
  const auto size = static_cast<std::int64_t>(count_characters(text));
  const auto place = [&](std::size_t at, std::int64_t otherwise) {
    const std::int64_t given = bound.is_none(at) ? otherwise : bound.integer(at, otherwise);
    return given < 0 ? std::max<std::int64_t>(given + size, 0) : given;
  };
  const std::int64_t begin = place(1, 0), end = std::min(place(2, size), size);
  if (begin > size || begin > end) return {{}, -1};
  const std::size_t from = offset_of(text, static_cast<std::size_t>(begin));
  const std::size_t to = offset_of(text, static_cast<std::size_t>(end));
  return {text.substr(from, to - from), begin};
}

/// A prefix, or a tuple of them.
template <bool at_start>
Value has_end(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {"affix", "start", "stop"}, 1);
  const Window window = window_of(run, self, bound);
  const auto matches = [&](const Value& affix) {
    if (!affix.text()) run.fail("expected a string or a tuple of strings");
    if (window.first < 0) return false;
    return at_start ? window.text.starts_with(affix.text()->view())
                    : window.text.ends_with(affix.text()->view());
  };
  const Sequence* tuple = bound[0].sequence();
  if (!tuple || tuple->kind != Sequence::Kind::tuple) return Value::of(matches(bound[0]));
  return Value::of(std::ranges::any_of(tuple->items, matches));
}

template <bool from_end, bool must>
Value find(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {"sub", "start", "stop"}, 1);
  const Window window = window_of(run, self, bound);
  const std::string& wanted = bound.text(0).bytes();
  std::size_t at = from_end ? window.text.rfind(wanted) : window.text.find(wanted);
  if (window.first < 0) at = std::string_view::npos;
  if (at != std::string_view::npos)
    return Value::of(window.first +
                     static_cast<std::int64_t>(count_characters(window.text.substr(0, at))));
  if (must) run.fail("index: the text is not found");
  return Value::of(std::int64_t{-1});
}

Value count_of(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "count", arguments, {"sub", "start", "stop"}, 1);
  const Window window = window_of(run, self, bound);
  const std::string& wanted = bound.text(0).bytes();
  if (window.first < 0) return Value::of(std::int64_t{0});
  if (wanted.empty())
    return Value::of(static_cast<std::int64_t>(count_characters(window.text)) + 1);
  std::int64_t found = 0;
  for (std::size_t at = window.text.find(wanted); at != std::string_view::npos;
       at = window.text.find(wanted, at + wanted.size()))
    ++found;
  return Value::of(found);
}

/// Whether there are characters, and all are of a kind.
template <bool (*kind)(char32_t)>
Value all(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {});
  const std::string_view text = self.text()->view();
  run.step(1 + text.size() / 16);
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text, at);
    if (!kind(one.code)) return Value::of(false);
    at += one.size;
  }
  return Value::of(!text.empty());
}

bool is_word_part(char32_t code) { return is_letter(code) || is_numeric(code); }

/// Whether there are letters with two cases, and all are of the wanted one.
template <bool upper>
Value all_cased(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {});
  const std::string_view text = self.text()->view();
  run.step(1 + text.size() / 16);
  bool some = false;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text, at);
    const bool is_upper = is_cased_upper(one.code), is_lower = is_cased_lower(one.code);
    if ((upper ? is_lower : is_upper) || is_title(one.code)) return Value::of(false);
    some |= upper ? is_upper : is_lower;
    at += one.size;
  }
  return Value::of(some);
}

Value is_title_case(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "istitle", arguments, {});
  const std::string_view text = self.text()->view();
  bool some = false, in_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text, at);
    const bool is_start = is_cased_upper(one.code) || is_title(one.code);
    const bool is_inner = is_cased_lower(one.code);
    if ((is_start && in_word) || (is_inner && !in_word)) return Value::of(false);
    some |= is_start || is_inner;
    in_word = is_start || is_inner;
    at += one.size;
  }
  return Value::of(some);
}

Value is_identifier(Run& run, const Value& self, const Arguments& arguments) {
  const std::string_view text = self.text()->view();
  const bool starts = !text.empty() && !is_numeric(character_at(text, 0).code);
  return Value::of(starts && truth(all<is_word>(run, self, arguments)));
}

/// True of an empty text too.
template <bool (*kind)(char32_t)>
Value none_but(Run& run, const Value& self, const Arguments& arguments) {
  return Value::of(self.text()->empty() || truth(all<kind>(run, self, arguments)));
}

bool is_ascii_character(char32_t code) { return code < 0x80; }
bool space(char32_t code) { return is_space(code); }
bool letter(char32_t code) { return is_letter(code); }
bool decimal(char32_t code) { return is_decimal(code); }
bool numeric(char32_t code) { return is_numeric(code); }
bool printable(char32_t code) { return is_printable(code); }

constexpr MethodRow kTextQueries[] = {
    {"startswith", has_end<true>},
    {"endswith", has_end<false>},
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count_of},
    {"isspace", all<space>},
    {"isalpha", all<letter>},
    {"isalnum", all<is_word_part>},
    {"isdigit", all<decimal>},
    {"isdecimal", all<decimal>},
    {"isnumeric", all<numeric>},
    {"isprintable", none_but<printable>},
    {"isascii", none_but<is_ascii_character>},
    {"isupper", all_cased<true>},
    {"islower", all_cased<false>},
    {"istitle", is_title_case},
    {"isidentifier", is_identifier},
};

}  // namespace

Method find_text_query(std::string_view name) noexcept {
  const auto found = std::ranges::find(kTextQueries, name, &MethodRow::name);
  return found == std::end(kTextQueries) ? nullptr : found->run;
}

}  // namespace quern::jinja
