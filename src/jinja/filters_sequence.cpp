#include <algorithm>
#include <cmath>

#include "jinja/filters_text.h"
#include "jinja/operators.h"
#include "jinja/run.h"
#include "jinja/tests.h"
#include "jinja/unicode.h"

namespace quern::jinja {
namespace {

Value generator(Values items) { return make_sequence(Sequence::Kind::generator, std::move(items)); }

/// A member of each item where an attribute is asked for; texts lowered unless case counts.
class Key {
 public:
  Key(Run& run, const Value* attribute, bool case_sensitive)
      : run_(run), attribute_(attribute), case_sensitive_(case_sensitive) {}

  Value of(const Value& item) const {
    Value value =
        attribute_ && !attribute_->is_none() ? attribute_of(run_, item, *attribute_) : item;
    const Text* text = value.text();
    if (!text || case_sensitive_) return value;
    return Value::of(text->remade(to_lower(text->view())));
  }

 private:
  Run& run_;
  const Value* attribute_;
  bool case_sensitive_;
};

const Value* given(const Bound& bound, std::size_t at) {
  return bound.is_none(at) ? nullptr : &bound[at];
}

/// Items in the order of their keys.
Values sorted(Run& run, Values items, const auto& key_of, bool reverse) {
  std::vector<std::pair<Value, std::size_t>> keys;
  for (std::size_t i = 0; i < items.size(); ++i) keys.emplace_back(key_of(items[i]), i);
  // Python's sort asks for `a < b` only; equal keys stay as they were, reversed or not.
  std::ranges::stable_sort(keys, [&](const auto& a, const auto& b) {
    return reverse ? order(run, b.first, a.first) < 0 : order(run, a.first, b.first) < 0;
  });
  Values result;
  for (const auto& [key, at] : keys) result.push_back(std::move(items[at]));
  return result;
}

Value sort(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Value> paths;
  if (const Value* attribute = given(bound, 2); attribute && attribute->text()) {
    std::string_view rest = attribute->text()->view();
    for (std::size_t comma = 0; comma != std::string_view::npos;) {
      comma = rest.find(',');
      paths.push_back(Value::of(std::string(rest.substr(0, comma))));
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  } else if (attribute) {
    paths.push_back(*attribute);
  }
  const bool case_sensitive = bound.flag(1, false);
  const auto key_of = [&](const Value& item) {
    if (paths.empty()) return Key(run, nullptr, case_sensitive).of(item);
    if (paths.size() == 1) return Key(run, &paths[0], case_sensitive).of(item);
    Values keys;
    for (const Value& path : paths) keys.push_back(Key(run, &path, case_sensitive).of(item));
    return make_list(std::move(keys));
  };
  return make_list(sorted(run, run.iterate(input), key_of, bound.flag(0, false)));
}

Values pairs_of(const Dict& dict) {
  Values pairs;
  for (const auto& [key, value] : dict.members)
    pairs.push_back(make_sequence(Sequence::Kind::tuple, {key, value}));
  return pairs;
}

const Dict& dict_of(Run& run, std::string_view filter, const Value& value) {
  if (!value.dict()) run.fail("{}: expected a dict, got a {}", filter, value.type_name());
  run.charge(value.dict()->members.size() * 4 * sizeof(Value));
  return *value.dict();
}

Value dict_sort(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.has(1) ? bound.text(1).bytes() : "key";
  if (by != "key" && by != "value") run.fail("dictsort: expected by \"key\" or \"value\"");
  const Value place = Value::of(std::int64_t{by == "value" ? 1 : 0});
  const Key key(run, &place, bound.flag(0, false));
  return make_list(sorted(
      run, pairs_of(dict_of(run, "dictsort", input)),
      [&](const Value& item) { return key.of(item); }, bound.flag(2, false)));
}

Value items(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "items", arguments, {});
  if (input.is_undefined()) return generator({});
  return generator(pairs_of(dict_of(run, "items", input)));
}

Value length(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "length", arguments, {});
  std::size_t count = 0;
  if (const Text* text = input.text()) {
    run.step(1 + text->size() / 64);
    count = count_characters(text->view());
  } else if (const Dict* dict = input.dict()) {
    count = dict->members.size();
  } else if (input.sequence() && input.sequence()->has_length()) {
    count = input.sequence()->items.size();
  } else if (input.object() && input.object()->type_name() == "LoopContext") {
    return input.object()->member(run, "length");
  } else if (!input.is_undefined()) {
    run.fail("length: a {} has none", input.type_name());
  }
  return Value::of(static_cast<std::int64_t>(count));
}

Value first(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "first", arguments, {});
  const auto* held = input.find<std::shared_ptr<Sequence>>();
  if (held && (*held)->kind == Sequence::Kind::generator) {
    Sequence& sequence = **held;
    if (sequence.taken < sequence.items.size()) return sequence.items[sequence.taken++];
    return Value::undefined("the first of nothing");
  }
  const Values values = run.iterate(input);
  return values.empty() ? Value::undefined("the first of nothing") : values.front();
}

Value last(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "last", arguments, {});
  if (input.sequence() && !input.sequence()->has_length())
    run.fail("last: a generator has no end to begin at");
  const Values values = run.iterate(input);
  return values.empty() ? Value::undefined("the last of nothing") : values.back();
}

Value join(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "join", arguments, {"d", "attribute"});
  const Text separator = bound.has(0) ? run.text_of(bound[0]) : Text();
  Text result;
  bool is_first = true;
  for (const Value& item : run.iterate(input)) {
    const Value value = bound.is_none(1) ? item : attribute_of(run, item, bound[1]);
    if (!is_first) result.append(separator);
    if (!is_first) run.charge(separator.size());
    is_first = false;
    result.append(run.text_of(value));
  }
  return run.make_text(std::move(result));
}

Value to_list(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "list", arguments, {});
  return make_list(run.iterate(input));
}

Value reversed(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "reverse", arguments, {});
  Values values = run.iterate(input);
  std::ranges::reverse(values);
  const Text* text = input.text();
  if (!text) return generator(std::move(values));
  Text result;
  for (const Value& value : values) result.append(*value.text());
  return run.make_text(std::move(result));
}

Value sum(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "sum", arguments, {"attribute", "start"});
  Value total = bound.has(1) ? bound[1] : Value::of(std::int64_t{0});
  if (total.text()) run.fail("sum: strings are joined, not summed");
  for (const Value& item : run.iterate(input))
    total =
        arithmetic(run, "+", total, bound.is_none(0) ? item : attribute_of(run, item, bound[0]));
  return total;
}

template <bool largest>
Value extreme(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, largest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const Key key(run, given(bound, 1), bound.flag(0, false));
  const Values values = run.iterate(input);
  if (values.empty()) return Value::undefined("the least or most of nothing");
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const int sign = order(run, key.of(values[i]), key.of(values[best]));
    if (largest ? sign > 0 : sign < 0) best = i;
  }
  return values[best];
}

Value unique(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "unique", arguments, {"case_sensitive", "attribute"});
  const Key key(run, given(bound, 1), bound.flag(0, false));
  Dict seen;
  Values result;
  for (const Value& item : run.iterate(input)) {
    const Value one = key.of(item);
    if (!is_hashable(one)) run.fail("unique: a {} cannot be told apart", one.type_name());
    if (!one.text()) run.step(seen.members.size());
    if (seen.find(one)) continue;
    seen.set(one, Value::none());
    result.push_back(item);
  }
  return generator(std::move(result));
}

Value group_by(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const bool case_sensitive = bound.flag(2, false);
  const auto whole_key = [&](const Value& item) {
    Value value = attribute_of(run, item, bound[0]);
    return value.is_undefined() && bound.has(1) ? bound[1] : value;
  };
  const auto key_of = [&](const Value& item) {
    return Key(run, nullptr, case_sensitive).of(whole_key(item));
  };
  Values groups, group;
  const Values ordered = sorted(run, run.iterate(input), key_of, false);
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    group.push_back(ordered[i]);
    if (i + 1 < ordered.size() && equal(run, key_of(ordered[i]), key_of(ordered[i + 1]))) continue;
    const Value key = case_sensitive ? key_of(group[0]) : whole_key(group[0]);
    groups.push_back(
        make_sequence(Sequence::Kind::tuple, {key, make_list(std::exchange(group, {}))}));
  }
  return make_list(std::move(groups));
}

Value batch(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "batch", arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t size = std::max<std::int64_t>(bound.integer(0, 1), 1);
  Values rows, row;
  for (const Value& item : run.iterate(input)) {
    row.push_back(item);
    if (std::ssize(row) == size) rows.push_back(make_list(std::exchange(row, {})));
  }
  while (!row.empty() && !bound.is_none(1) && std::ssize(row) < size) {
    run.charge(sizeof(Value));
    row.push_back(bound[1]);
  }
  if (!row.empty()) rows.push_back(make_list(std::move(row)));
  return generator(std::move(rows));
}

Value slices(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "slice", arguments, {"slices", "fill_with"}, 1);
  const std::int64_t count = bound.integer(0, 1);
  if (count <= 0 || count > 100'000) run.fail("slice: expected 1 to 100000 slices");
  const Values values = run.iterate(input);
  const std::int64_t size = std::ssize(values) / count, more = std::ssize(values) % count;
  Values result;
  auto at = values.begin();
  for (std::int64_t i = 0; i < count; ++i) {
    run.charge(2 * sizeof(Value));
    const auto end = at + static_cast<std::ptrdiff_t>(size + (i < more ? 1 : 0));
    Values part(at, end);
    if (!bound.is_none(1) && i >= more) part.push_back(bound[1]);
    result.push_back(make_list(std::move(part)));
    at = end;
  }
  return generator(std::move(result));
}

/// As `iterate`; `map` and its like take what is not true for nothing.
Values iterate_if_true(Run& run, const Value& value) {
  return truth(value) ? run.iterate(value) : Values();
}

/// The arguments behind the first `count`.
Arguments rest_of(const Arguments& arguments, std::size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() +
                            static_cast<std::ptrdiff_t>(std::min(count, rest.positional.size())));
  return rest;
}

Value map(Run& run, const Value& input, const Arguments& arguments) {
  Values result;
  if (arguments.positional.empty() && arguments.find("attribute")) {
    const Bound bound(run, "map", arguments, {"attribute", "default"});
    for (const Value& item : iterate_if_true(run, input)) {
      Value value = attribute_of(run, item, bound[0]);
      result.push_back(value.is_undefined() && !bound.is_none(1) ? bound[1] : value);
    }
    return generator(std::move(result));
  }
  if (arguments.positional.empty() || !arguments.positional[0].text())
    run.fail("map: expected the name of a filter");
  const std::string name = arguments.positional[0].text()->bytes();
  for (const Value& item : iterate_if_true(run, input)) {
    Arguments rest = rest_of(arguments, 1);
    result.push_back(run.filter(name, item, rest));
  }
  return generator(std::move(result));
}

/// Those of which a test is true, or not; of an attribute of theirs, where `by_attribute`.
template <bool wanted, bool by_attribute>
Value select(Run& run, const Value& input, const Arguments& arguments) {
  const std::size_t first = by_attribute ? 1 : 0;
  if (arguments.positional.size() < first) run.fail("selectattr: expected an attribute");
  const Value* name = arguments.positional.size() > first ? &arguments.positional[first] : nullptr;
  if (name && !name->text()) run.fail("select: expected the name of a test");
  if (name && !find_test(name->text()->view()))
    run.fail("there is no test \"{}\"", name->text()->view().substr(0, 40));
  Values result;
  for (const Value& item : iterate_if_true(run, input)) {
    const Value value = by_attribute ? attribute_of(run, item, arguments.positional[0]) : item;
    Arguments rest = rest_of(arguments, first + 1);
    const bool passes = name ? run.test(name->text()->view(), value, rest) : truth(value);
    if (passes == wanted) result.push_back(item);
  }
  return generator(std::move(result));
}

Value attribute(Run& run, const Value& input, const Arguments& arguments) {
  const Bound bound(run, "attr", arguments, {"name"}, 1);
  // Of a dict it gives methods, and no items.
  const bool has_own = input.object() || input.text() || input.sequence() || input.is_undefined();
  if (has_own) return run.member(input, run.text_of(bound[0]));
  const Value empty = input.dict() ? make_dict({}) : Value::none();
  return run.member(empty, run.text_of(bound[0])).is_undefined()
             ? Value::undefined("there is no such attribute")
             : run.member(input, run.text_of(bound[0]));
}

constexpr FilterRow kSequenceFilters[] = {
    {"length", length},
    {"count", length},
    {"join", join},
    {"list", to_list},
    {"first", first},
    {"last", last},
    {"items", items},
    {"map", map},
    {"select", select<true, false>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<false, true>},
    {"sort", sort},
    {"dictsort", dict_sort},
    {"unique", unique},
    {"groupby", group_by},
    {"reverse", reversed},
    {"sum", sum},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"batch", batch},
    {"slice", slices},
    {"attr", attribute},
};

}  // namespace

FilterFunction find_sequence_filter(std::string_view name) noexcept {
  const auto found = std::ranges::find(kSequenceFilters, name, &FilterRow::name);
  return found == std::end(kSequenceFilters) ? nullptr : found->run;
}

}  // namespace quern::jinja
