#include <algorithm>

#include "jinja/format.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/run.h"
#include "jinja/text_steps.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

const Text& self_text(const Value& self) { return *self.text(); }

/// An argument joins what is safe as safe text does.
Text argument(Run& run, const Value& self, const Bound& bound, std::size_t at) {
  const Text& text = bound.text(at);
  return self_text(self).safe && !text.safe ? escaped(run, bound[at]) : text;
}

template <std::string (*change)(std::string_view)>
Value changed(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {});
  return run.make_text(self_text(self).remade(change(self_text(self).view())));
}

std::string swapped(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text, at);
    const std::string_view letter = text.substr(at, one.size);
    result += is_cased_upper(one.code)   ? to_lower(letter)
              : is_cased_lower(one.code) ? to_upper(letter)
                                         : std::string(letter);
    at += one.size;
  }
  return result;
}

std::string titled(std::string_view text) {
  std::string result;
  bool in_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = character_at(text, at);
    const std::string_view letter = text.substr(at, one.size);
    result += in_word ? to_lower(letter) : to_capitalized(letter);
    in_word = is_cased_upper(one.code) || is_cased_lower(one.code) || is_title(one.code);
    at += one.size;
  }
  return result;
}

template <Ends ends>
Value strip(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "strip", arguments, {"chars"});
  const Text& text = self_text(self);
  return run.make_text(bound.is_none(0) ? stripped(text, ends)
                                        : stripped(text, ends, bound.text(0).view()));
}

template <bool from_end>
Value split(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "split", arguments, {"sep", "maxsplit"});
  const std::int64_t most = bound.integer(1, -1);
  if (!bound.is_none(0) && bound.text(0).empty()) run.fail("split: the separator is empty");
  std::vector<Text> parts = bound.is_none(0)
                                ? split_at_spaces(self_text(self), most, from_end)
                                : split_at(self_text(self), bound.text(0).view(), most, from_end);
  return list_of(run, std::move(parts));
}

template <bool from_end>
Value partition(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "partition", arguments, {"sep"}, 1);
  const Text& text = self_text(self);
  const Text& separator = bound.text(0);
  if (separator.empty()) run.fail("partition: the separator is empty");
  const std::size_t at =
      from_end ? text.bytes().rfind(separator.bytes()) : text.bytes().find(separator.bytes());
  run.charge(text.size());
  Values parts;
  if (at != std::string::npos) {
    parts = {Value::of(text.substr(0, at)), Value::of(separator),
             Value::of(text.substr(at + separator.size()))};
  } else if (from_end) {
    parts = {Value::of(Text()), Value::of(Text()), self};
  } else {
    parts = {self, Value::of(Text()), Value::of(Text())};
  }
  return make_sequence(Sequence::Kind::tuple, std::move(parts));
}

Value replace_in(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "replace", arguments, {"old", "new", "count"}, 2);
  return run.make_text(replaced(run, self_text(self), argument(run, self, bound, 0),
                                argument(run, self, bound, 1), bound.integer(2, -1)));
}

Value join_with(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "join", arguments, {"iterable"}, 1);
  Text result;
  result.safe = self_text(self).safe;
  bool first = true;
  for (const Value& item : run.iterate(bound[0])) {
    if (!item.text()) run.fail("join: expected strings, got a {}", item.type_name());
    if (!first) result.append(self_text(self));
    first = false;
    result.append(result.safe ? escaped(run, item) : *item.text());
  }
  return run.make_text(std::move(result));
}

enum class Side { left, right, both };

template <Side side>
Value justify(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {"width", "fillchar"}, 1);
  const Text fill = bound.has(1) ? bound.text(1) : Text(" ");
  if (count_characters(fill.view()) != 1) run.fail("expected one character to fill with");
  const Padding padding = side == Side::left    ? Padding::after
                          : side == Side::right ? Padding::before
                                                : Padding::around;
  return run.make_text(padded(run, self_text(self), bound.integer(0, 0), fill, padding));
}

Value zfill(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "zfill", arguments, {"width"}, 1);
  const Text& text = self_text(self);
  const bool is_signed = !text.empty() && (text.bytes()[0] == '-' || text.bytes()[0] == '+');
  Text result = text.substr(0, is_signed ? 1 : 0);
  const std::int64_t width = bound.integer(0, 0) - (is_signed ? 1 : 0);
  result.append(padded(run, text.substr(is_signed ? 1 : 0), width, Text("0"), Padding::before));
  return run.make_text(std::move(result));
}

Value expandtabs(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "expandtabs", arguments, {"tabsize"});
  const std::int64_t size = std::clamp<std::int64_t>(bound.integer(0, 8), 0, 4096);
  const Text& text = self_text(self);
  Text result;
  std::int64_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = character_at(text.view(), at).size;
    const char c = text.bytes()[at];
    if (c == '\t') {
      const std::int64_t gap = size == 0 ? 0 : size - column % size;
      run.charge(static_cast<std::size_t>(gap));
      result.append(std::string(static_cast<std::size_t>(gap), ' '), text.is_data(at));
      column += gap;
    } else {
      result.append(text, at, bytes);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    at += bytes;
  }
  return run.make_text(std::move(result));
}

template <bool prefix>
Value remove_end(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a method of str", arguments, {"affix"}, 1);
  const Text& text = self_text(self);
  const std::string& affix = bound.text(0).bytes();
  if (prefix && text.view().starts_with(affix)) return run.make_text(text.substr(affix.size()));
  if (!prefix && text.view().ends_with(affix))
    return run.make_text(text.substr(0, text.size() - affix.size()));
  return self;
}

constexpr MethodRow kTextMethods[] = {
    {"upper", changed<to_upper>},
    {"lower", changed<to_lower>},
    {"casefold", changed<to_lower>},
    {"capitalize", changed<to_capitalized>},
    {"title", changed<titled>},
    {"swapcase", changed<swapped>},
    {"strip", strip<Ends::both>},
    {"lstrip", strip<Ends::begin>},
    {"rstrip", strip<Ends::end>},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"splitlines",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "splitlines", arguments, {"keepends"});
       return list_of(run, lines_of(self_text(self), bound.flag(0, false)));
     }},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"replace", replace_in},
    {"join", join_with},
    {"center", justify<Side::both>},
    {"ljust", justify<Side::left>},
    {"rjust", justify<Side::right>},
    {"zfill", zfill},
    {"expandtabs", expandtabs},
    {"removeprefix", remove_end<true>},
    {"removesuffix", remove_end<false>},
    {"format",
     [](Run& run, const Value& self, const Arguments& arguments) {
       return run.make_text(format_braces(run, self_text(self), arguments));
     }},
    {"format_map",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "format_map", arguments, {"mapping"}, 1);
       Arguments named;
       if (!bound[0].dict()) run.fail("format_map: expected a dict");
       for (const auto& [key, value] : bound[0].dict()->members)
         named.named.emplace_back(run.text_of(key).bytes(), value);
       return run.make_text(format_braces(run, self_text(self), named));
     }},
};

}  // namespace

Method find_text_method(std::string_view name) noexcept {
  const auto found = std::ranges::find(kTextMethods, name, &MethodRow::name);
  return found == std::end(kTextMethods) ? nullptr : found->run;
}

}  // namespace quern::jinja
