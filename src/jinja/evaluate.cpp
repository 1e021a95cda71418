#include <algorithm>
#include <utility>

#include "jinja/filters.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/tests.h"
#include "jinja/unicode.h"

namespace quern::jinja {

using Kind = Expression::Kind;

Value Run::look_up(Name wanted) {
  const Value* found = nullptr;
  for (Scope* scope = scope_.get(); scope && !found; scope = scope->parent.get())
    found = scope->find(wanted);
  if (!found) found = &globals_[wanted];
  const auto* nothing = found->find<Undefined>();
  if (!nothing || nothing->why) return *found;
  return Value::undefined(fmt::format("\"{}\" is undefined", name(wanted)));
}

Value Run::evaluate(const Expression& node) {
  const Level level(*this);
  switch (node.kind) {
    case Kind::constant:
      return node.value;
    case Kind::name:
      return look_up(node.name);
    case Kind::input:
      return input_;
    case Kind::no:
      return Value::of(!truth(evaluate(node.items[0])));
    case Kind::both: {
      Value left = evaluate(node.items[0]);
      return truth(left) ? evaluate(node.items[1]) : left;
    }
    case Kind::either: {
      Value left = evaluate(node.items[0]);
      return truth(left) ? left : evaluate(node.items[1]);
    }
    case Kind::conditional:
      if (truth(evaluate(node.items[0]))) return evaluate(node.items[1]);
      if (node.items.size() == 3) return evaluate(node.items[2]);
      return Value::undefined("an \"if\" without \"else\" was not true");
    default:
      line_ = node.line;
      return evaluate_compound(node);
  }
}

Value Run::evaluate_compound(const Expression& node) {
  switch (node.kind) {
    case Kind::list:
      return make_list(evaluate_all(node.items));
    case Kind::tuple:
      return make_sequence(Sequence::Kind::tuple, evaluate_all(node.items));
    case Kind::dict:
      return evaluate_dict(node);
    case Kind::member: {
      const Value holder = evaluate(node.items[0]);
      return member(holder, Text(node.word));
    }
    case Kind::item: {
      const Value holder = evaluate(node.items[0]);
      return item(holder, evaluate(node.items[1]));
    }
    case Kind::slice:
      return evaluate_slice(node);
    case Kind::call:
    case Kind::filter:
    case Kind::test:
      return evaluate_call(node);
    case Kind::negative:
      return negated(*this, evaluate(node.items[0]));
    case Kind::positive: {
      const Value value = evaluate(node.items[0]);
      return arithmetic(*this, "+", Value::of(std::int64_t{0}), value);
    }
    case Kind::comparison:
      return evaluate_comparison(node);
    case Kind::concat: {
      Text text;
      for (const Value& value : evaluate_all(node.items)) text.append(text_of(value));
      return make_text(std::move(text));
    }
    default: {
      const Value left = evaluate(node.items[0]);
      return arithmetic(*this, node.word, left, evaluate(node.items[1]));
    }
  }
}

Values Run::evaluate_all(const std::vector<Expression>& items) {
  Values values;
  values.reserve(items.size());
  for (const Expression& item : items) values.push_back(evaluate(item));
  charge(values.size() * sizeof(Value));
  return values;
}

Arguments Run::evaluate(const std::vector<Argument>& given) {
  Arguments made;
  for (const Argument& argument : given) {
    Value value = evaluate(argument.value);
    switch (argument.kind) {
      case Argument::Kind::positional:
        made.positional.push_back(std::move(value));
        break;
      case Argument::Kind::keyword:
        if (made.find(argument.name)) fail("\"{}\" is given twice", argument.name);
        made.named.emplace_back(argument.name, std::move(value));
        break;
      case Argument::Kind::list:
        for (Value& item : iterate(value)) made.positional.push_back(std::move(item));
        break;
      case Argument::Kind::dict:
        if (!value.dict()) fail("expected a dict after \"**\", got {}", value.type_name());
        for (const auto& [key, item] : value.dict()->members) {
          if (!key.text()) fail("names of arguments are strings, not {}", key.type_name());
          if (made.find(key.text()->view())) fail("\"{}\" is given twice", key.text()->view());
          made.named.emplace_back(key.text()->bytes(), item);
        }
        break;
    }
  }
  return made;
}

Value Run::evaluate_call(const Expression& node) {
  const Value subject = evaluate(node.items[0]);
  Arguments arguments = evaluate(node.arguments);
  line_ = node.line;
  if (node.kind == Kind::call) return call(subject, arguments);
  if (node.kind == Kind::filter) return filter(node.word, subject, arguments);
  return Value::of(test(node.word, subject, arguments));
}

Value Run::evaluate_filters(const Expression& filters, Text input) {
  const Value outer = std::exchange(input_, Value::of(std::move(input)));
  Value result = evaluate(filters);
  input_ = outer;
  return result;
}

Value Run::evaluate_slice(const Expression& node) {
  const Values parts = evaluate_all(node.items);
  return slice(*this, parts[0], parts[1], parts[2], parts[3]);
}

Value Run::evaluate_dict(const Expression& node) {
  Dict dict;
  for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
    Value key = evaluate(node.items[i]);
    if (!is_hashable(key)) fail("a {} cannot be the key of a dict", key.type_name());
    dict.set(std::move(key), evaluate(node.items[i + 1]));
  }
  charge(node.items.size() * sizeof(Value));
  return make_dict(std::move(dict));
}

Value Run::evaluate_comparison(const Expression& node) {
  Value left = evaluate(node.items[0]);
  for (std::size_t i = 0; i < node.words.size(); ++i) {
    Value right = evaluate(node.items[i + 1]);
    if (!compare(*this, node.words[i], left, right)) return Value::of(false);
    left = std::move(right);
  }
  return Value::of(true);
}

Values Run::iterate(const Value& value) {
  Values items;
  if (const auto* held = value.find<std::shared_ptr<Sequence>>()) {
    Sequence& sequence = **held;
    items.assign(sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.taken),
                 sequence.items.end());
    if (sequence.kind == Sequence::Kind::generator) sequence.taken = sequence.items.size();
  } else if (const Text* text = value.text()) {
    for (std::size_t at = 0; at < text->size();) {
      const std::size_t size = character_at(text->view(), at).size;
      charge(sizeof(Value) + sizeof(Text));
      Text one = text->substr(at, size);
      one.safe = false;
      items.push_back(Value::of(std::move(one)));
      at += size;
    }
  } else if (const Dict* dict = value.dict()) {
    for (const auto& [key, item] : dict->members) items.push_back(key);
  } else if (!value.is_undefined()) {
    fail("a {} cannot be iterated over", value.type_name());
  }
  charge(items.size() * sizeof(Value));
  return items;
}

Value Run::call(const Value& callee, Arguments& arguments) {
  const Level level(*this);
  if (const auto* nothing = callee.find<Undefined>())
    fail("{}, so it cannot be called", nothing->why ? *nothing->why : "a value is undefined");
  if (!callee.object() || !callee.object()->can_call())
    fail("a {} cannot be called", callee.type_name());
  const auto held = *callee.find<std::shared_ptr<Object>>();
  return held->call(*this, arguments);
}

Value Run::filter(std::string_view name, const Value& input, Arguments& arguments) {
  const FilterFunction found = find_filter(name);
  if (!found) fail("there is no filter \"{}\"", name);
  const Level level(*this);
  return found(*this, input, arguments);
}

bool Run::test(std::string_view name, const Value& input, Arguments& arguments) {
  const TestFunction found = find_test(name);
  if (!found) fail("there is no test \"{}\"", name);
  return found(*this, input, arguments);
}

std::optional<Value> Run::own_member(const Value& value, std::string_view name) {
  if (const auto* nothing = value.find<Undefined>())
    fail("{}, so it has no member \"{}\"", nothing->why ? *nothing->why : "a value is undefined",
         name);
  if (Object* object = value.object()) return object->member(*this, name);
  return method_of(*this, value, name);
}

std::optional<Value> Run::own_item(const Value& value, const Value& key) {
  if (const auto* nothing = value.find<Undefined>())
    fail("{}, so it has no items", nothing->why ? *nothing->why : "a value is undefined");
  if (const Dict* dict = value.dict()) {
    const Value* found = is_hashable(key) ? dict->find(key) : nullptr;
    return found ? std::optional(*found) : std::nullopt;
  }
  std::int64_t of_bool = 0;
  const std::int64_t* index = key.integer(of_bool);
  if (!index) return std::nullopt;
  const Text* text = value.text();
  const Sequence* sequence = value.sequence();
  if (!text && !(sequence && sequence->has_index())) return std::nullopt;
  const auto size =
      static_cast<std::int64_t>(text ? count_characters(text->view()) : sequence->items.size());
  const std::int64_t at = *index < 0 ? *index + size : *index;
  if (at < 0 || at >= size) return std::nullopt;
  if (sequence) return sequence->items[static_cast<std::size_t>(at)];
  charge(text->size() / 16);
  const std::size_t begin = offset_of(text->view(), static_cast<std::size_t>(at));
  return make_text(text->substr(begin, character_at(text->view(), begin).size));
}

Value Run::member(const Value& value, const Text& name) {
  if (auto found = own_member(value, name.view())) return std::move(*found);
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->find(name.view())) return *found;
  }
  return Value::undefined(
      fmt::format("a {} has no member \"{}\"", value.type_name(), name.view().substr(0, 80)));
}

Value Run::item(const Value& value, const Value& key) {
  if (auto found = own_item(value, key)) return std::move(*found);
  if (const Text* name = key.text()) {
    if (auto found = own_member(value, name->view())) return std::move(*found);
  }
  return Value::undefined(
      fmt::format("a {} has no such item, its key being a {}", value.type_name(), key.type_name()));
}

Text Run::text_of(const Value& value) { return to_text(*this, value); }

}  // namespace quern::jinja
