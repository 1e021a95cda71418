#include "jinja/methods.h"

#include <algorithm>
#include <cmath>

#include "jinja/operators.h"
#include "jinja/run.h"

namespace quern::jinja {
namespace {

/// A function, or a method with the value that it is of.
class Function final : public Object {
 public:
  Function(std::string_view name, Method run, Value self)
      : name_(name), run_(run), self_(std::move(self)) {}

  std::string describe(Run&) const override { return "<function " + name_ + ">"; }
  int depth() const noexcept override { return self_.depth() + 1; }
  Value call(Run& run, Arguments& arguments) override { return run_(run, self_, arguments); }

 private:
  std::string name_;
  Method run_;
  Value self_;
};

Value view_of(const Value& self, Sequence::Kind kind) {
  Values items;
  for (const auto& [key, value] : self.dict()->members) {
    if (kind == Sequence::Kind::items) {
      items.push_back(make_sequence(Sequence::Kind::tuple, {key, value}));
    } else {
      items.push_back(kind == Sequence::Kind::keys ? key : value);
    }
  }
  return make_sequence(kind, std::move(items));
}

template <Sequence::Kind kind>
Value view(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "a view of a dict", arguments, {});
  run.charge(self.dict()->members.size() * 4 * sizeof(Value));
  return view_of(self, kind);
}

Value same(Run& run, const Value& self, const Arguments& arguments) {
  const Bound bound(run, "copy", arguments, {});
  return self;
}

constexpr MethodRow kDictMethods[] = {
    {"get",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "get", arguments, {"key", "default"}, 1);
       if (!is_hashable(bound[0])) run.fail("get: a {} is no key", bound[0].type_name());
       const Value* found = self.dict()->find(bound[0]);
       if (found) return *found;
       return bound.has(1) ? bound[1] : Value::none();
     }},
    {"items", view<Sequence::Kind::items>},
    {"keys", view<Sequence::Kind::keys>},
    {"values", view<Sequence::Kind::values>},
    {"copy", same},
};
constexpr std::string_view kDictChanges[] = {"clear",      "pop",    "popitem",
                                             "setdefault", "update", "fromkeys"};

constexpr MethodRow kListMethods[] = {
    {"count",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "count", arguments, {"value"}, 1);
       const auto count = std::ranges::count_if(self.sequence()->items, [&](const Value& item) {
         return item.is(bound[0]) || equal(run, item, bound[0]);
       });
       return Value::of(std::int64_t{count});
     }},
    {"index",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "index", arguments, {"value", "start", "stop"}, 1);
       const Values& items = self.sequence()->items;
       const auto size = static_cast<std::int64_t>(items.size());
       const auto place = [&](std::int64_t at) {
         return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
       };
       for (std::int64_t i = place(bound.integer(1, 0)); i < place(bound.integer(2, size)); ++i) {
         if (equal(run, items[static_cast<std::size_t>(i)], bound[0])) return Value::of(i);
       }
       run.fail("index: the value is not in the list");
     }},
    {"copy", same},
};
constexpr std::string_view kListChanges[] = {"append", "clear",  "extend",  "insert",
                                             "pop",    "remove", "reverse", "sort"};

constexpr MethodRow kNumberMethods[] = {
    {"is_integer",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "is_integer", arguments, {});
       const double* held = self.find<double>();
       return Value::of(!held || std::floor(*held) == *held);
     }},
    {"bit_length",
     [](Run& run, const Value& self, const Arguments& arguments) {
       const Bound bound(run, "bit_length", arguments, {});
       std::int64_t of_bool = 0;
       const std::int64_t* held = self.integer(of_bool);
       if (!held) run.fail("bit_length: a float has none");
       const std::uint64_t size =
           *held < 0 ? 0 - static_cast<std::uint64_t>(*held) : static_cast<std::uint64_t>(*held);
       std::int64_t bits = 0;
       while (bits < 64 && (size >> bits) != 0) ++bits;
       return Value::of(bits);
     }},
};

template <std::size_t count>
Method find_in(const MethodRow (&rows)[count], std::string_view name) {
  const auto found = std::ranges::find(rows, name, &MethodRow::name);
  return found == std::end(rows) ? nullptr : found->run;
}

}  // namespace

Value make_function(std::string_view name, Method run, Value self) {
  constexpr int kMaxDepth = 100;
  if (self.depth() > kMaxDepth) self = Value::undefined("a method of a value nested too deep");
  return Value::of(std::shared_ptr<Object>(std::make_shared<Function>(name, run, std::move(self))));
}

std::optional<Value> method_of(Run&, const Value& value, std::string_view name) {
  const bool dict = value.dict() != nullptr;
  const Sequence* sequence = value.sequence();
  const bool list = sequence && sequence->has_index();
  double number = 0;
  Method found = nullptr;
  if (value.text()) found = find_text_method(name);
  if (value.text() && !found) found = find_text_query(name);
  if (dict) found = find_in(kDictMethods, name);
  if (list) found = find_in(kListMethods, name);
  if (list && name == "copy" && sequence->kind != Sequence::Kind::list) found = nullptr;
  if (value.number(number)) found = find_in(kNumberMethods, name);
  if (found) return make_function(name, found, value);
  const bool changes = (dict && std::ranges::find(kDictChanges, name) != std::end(kDictChanges)) ||
                       (sequence && sequence->kind == Sequence::Kind::list &&
                        std::ranges::find(kListChanges, name) != std::end(kListChanges));
  if (changes || (name.starts_with("__") && name.ends_with("__")))
    return Value::undefined(
        fmt::format("\"{}\" of a {} is not for templates", name, value.type_name()));
  return std::nullopt;
}

}  // namespace quern::jinja
