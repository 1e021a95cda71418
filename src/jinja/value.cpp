#include "jinja/value.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "jinja/run.h"

namespace quern::jinja {
namespace {

constexpr int kMaxNesting = 128;

void check_depth(int depth) {
  if (depth > kMaxNesting)
    fail(ErrorCode::unsupported, "chat template: values nested more than {} deep",
         int{kMaxNesting});
}

bool equal_items(Run& run, const Values& a, const Values& b) {
  return std::ranges::equal(
      a, b, [&](const Value& x, const Value& y) { return x.is(y) || equal(run, x, y); });
}

bool equal_dicts(Run& run, const Dict& a, const Dict& b) {
  if (a.members.size() != b.members.size()) return false;
  return std::ranges::all_of(a.members, [&](const auto& member) {
    const Value* other = b.find(member.first);
    return other != nullptr && (other->is(member.second) || equal(run, member.second, *other));
  });
}

/// Whether `a` and `b` are one key of a dict; both are hashable.
bool same_key(const Value& a, const Value& b) {
  double x = 0, y = 0;
  if (a.number(x) && b.number(y)) return x == y;
  if (a.text() && b.text()) return a.text()->bytes() == b.text()->bytes();
  const Sequence* s = a.sequence();
  const Sequence* t = b.sequence();
  if (s && t && s->kind == Sequence::Kind::tuple && t->kind == Sequence::Kind::tuple)
    return std::ranges::equal(s->items, t->items, same_key);
  return a.is(b) || (a.is_undefined() && b.is_undefined());
}

bool equal_sequences(Run& run, const Sequence& a, const Sequence& b) {
  using Kind = Sequence::Kind;
  if (a.kind != b.kind || a.kind == Kind::generator || a.kind == Kind::values) return &a == &b;
  return equal_items(run, a.items, b.items);
}

}  // namespace

Value Value::undefined(std::string why) {
  return Variant(Undefined{std::make_shared<const std::string>(std::move(why))});
}

const Text* Value::text() const noexcept {
  const auto* held = find<std::shared_ptr<const Text>>();
  return held ? held->get() : nullptr;
}

const Sequence* Value::sequence() const noexcept {
  const auto* held = find<std::shared_ptr<Sequence>>();
  return held ? held->get() : nullptr;
}

const Dict* Value::dict() const noexcept {
  const auto* held = find<std::shared_ptr<const Dict>>();
  return held ? held->get() : nullptr;
}

Object* Value::object() const noexcept {
  const auto* held = find<std::shared_ptr<Object>>();
  return held ? held->get() : nullptr;
}

const std::int64_t* Value::integer(std::int64_t& of_bool) const noexcept {
  if (const bool* held = find<bool>()) {
    of_bool = *held ? 1 : 0;
    return &of_bool;
  }
  return find<std::int64_t>();
}

bool Value::number(double& value) const noexcept {
  std::int64_t of_bool = 0;
  if (const std::int64_t* held = integer(of_bool)) {
    value = static_cast<double>(*held);
    return true;
  }
  const double* held = find<double>();
  if (held) value = *held;
  return held != nullptr;
}

bool Value::is(const Value& other) const noexcept {
  if (value_.index() != other.value_.index()) return false;
  if (is_none()) return true;
  if (const bool* held = find<bool>()) return *held == *other.find<bool>();
  if (text()) return text() == other.text();
  if (sequence()) return sequence() == other.sequence();
  if (dict()) return dict() == other.dict();
  if (object()) return object() == other.object();
  if (const auto* held = find<std::int64_t>()) return *held == *other.find<std::int64_t>();
  return false;
}

std::string_view Value::type_name() const noexcept {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (holds<bool>()) return "bool";
  if (holds<std::int64_t>()) return "int";
  if (holds<double>()) return "float";
  if (text()) return "str";
  if (dict()) return "dict";
  if (object()) return object()->type_name();
  constexpr std::string_view kNames[] = {"list",       "tuple",     "range",      "generator",
                                         "dict_items", "dict_keys", "dict_values"};
  return kNames[static_cast<std::size_t>(sequence()->kind)];
}

int Value::depth() const noexcept {
  if (const Sequence* held = sequence()) return held->depth;
  if (const Object* held = object()) return held->depth();
  const Dict* held = dict();
  return held ? held->depth : 0;
}

std::size_t Dict::place(const Value& key) const {
  if (const Text* text = key.text()) {
    const auto found = texts_.find(text->bytes());
    return found == texts_.end() ? members.size() : found->second;
  }
  const auto found = std::ranges::find_if(members, [&](const auto& member) {
    return !member.first.text() && same_key(member.first, key);
  });
  return static_cast<std::size_t>(found - members.begin());
}

const Value* Dict::find(std::string_view key) const {
  const auto found = texts_.find(std::string(key));
  return found == texts_.end() ? nullptr : &members[found->second].second;
}

const Value* Dict::find(const Value& key) const {
  const std::size_t at = place(key);
  return at == members.size() ? nullptr : &members[at].second;
}

void Dict::set(Value key, Value value) {
  depth = std::max(depth, std::max(key.depth(), value.depth()) + 1);
  const std::size_t at = place(key);
  if (at < members.size()) {
    members[at].second = std::move(value);
    return;
  }
  if (const Text* text = key.text()) texts_.emplace(text->bytes(), at);
  members.emplace_back(std::move(key), std::move(value));
}

Value make_sequence(Sequence::Kind kind, Values items) {
  auto made = std::make_shared<Sequence>();
  made->kind = kind;
  for (const Value& item : items) made->depth = std::max(made->depth, item.depth() + 1);
  check_depth(made->depth);
  made->items = std::move(items);
  return Value::Variant(std::move(made));
}

Value make_dict(Dict dict) {
  check_depth(dict.depth);
  return Value::Variant(std::make_shared<const Dict>(std::move(dict)));
}

std::string Object::describe(Run&) const { return "<" + std::string(type_name()) + ">"; }

Value Object::member(Run&, std::string_view name) {
  return Value::undefined(fmt::format("\"{}\" is no member of a {}", name, type_name()));
}

Value Object::call(Run& run, Arguments&) { run.fail("a {} cannot be called", type_name()); }

bool is_hashable(const Value& value) noexcept {
  if (value.dict()) return false;
  const Sequence* held = value.sequence();
  if (!held) return true;
  if (held->kind == Sequence::Kind::tuple) return std::ranges::all_of(held->items, is_hashable);
  return held->kind == Sequence::Kind::range || held->kind == Sequence::Kind::generator;
}

bool truth(const Value& value) noexcept {
  double number = 0;
  if (value.number(number)) return number != 0;
  if (const Text* text = value.text()) return !text->empty();
  if (const Sequence* held = value.sequence()) return !held->has_length() || !held->items.empty();
  if (const Dict* held = value.dict()) return !held->members.empty();
  return value.object() != nullptr;
}

bool equal(Run& run, const Value& a, const Value& b) {
  run.step();
  double x = 0, y = 0;
  const auto* i = a.find<std::int64_t>();
  const auto* j = b.find<std::int64_t>();
  if (i && j) return *i == *j;
  if (a.number(x) && b.number(y)) return x == y;
  if (a.text() && b.text()) return a.text()->bytes() == b.text()->bytes();
  if (a.sequence() && b.sequence()) return equal_sequences(run, *a.sequence(), *b.sequence());
  if (a.dict() && b.dict()) return equal_dicts(run, *a.dict(), *b.dict());
  if (a.is_undefined() && b.is_undefined()) return true;
  return a.is(b);
}

}  // namespace quern::jinja
