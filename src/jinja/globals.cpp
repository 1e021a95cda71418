#include "jinja/globals.h"

#include <algorithm>

#include "jinja/methods.h"
#include "jinja/print.h"
#include "jinja/run.h"
#include "jinja/time_format.h"

namespace quern::jinja {
namespace {

constexpr std::int64_t kLongestRange = 100'000;  // as the sandbox has it

Value make_range(Run& run, const Value&, const Arguments& arguments) {
  const Bound bound(run, "range", arguments, {"start", "stop", "step"}, 1);
  const bool only_stop = !bound.has(1);
  const std::int64_t start = only_stop ? 0 : bound.integer(0, 0);
  const std::int64_t stop = bound.integer(only_stop ? 0 : 1, 0);
  const std::int64_t step = bound.integer(2, 1);
  if (step == 0) run.fail("range: its step is 0");
  const auto span = static_cast<double>(stop) - static_cast<double>(start);
  if (span / static_cast<double>(step) > static_cast<double>(kLongestRange))
    run.fail("range: more than {} numbers", std::int64_t{kLongestRange});
  auto made = std::make_shared<Sequence>();
  made->kind = Sequence::Kind::range;
  for (std::int64_t at = start; step > 0 ? at < stop : at > stop;) {
    made->items.push_back(Value::of(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  if (made->items.size() > kLongestRange)
    run.fail("range: more than {} numbers", std::int64_t{kLongestRange});
  made->range[0] = start;
  made->range[1] = stop;
  made->range[2] = step;
  run.charge(made->items.size() * sizeof(Value));
  return Value::Variant(std::move(made));
}

/// What Python's `dict` makes of a mapping or of pairs, and of named arguments.
Dict dict_of(Run& run, std::string_view function, const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1)
    run.fail("{}: expected at most 1 argument, got {}", function, arguments.positional.size());
  if (!arguments.positional.empty()) {
    const Value& given = arguments.positional[0];
    if (given.dict()) {
      dict = *given.dict();
    } else {
      for (const Value& item : run.iterate(given)) {
        const Values pair = run.iterate(item);
        if (pair.size() != 2) run.fail("{}: expected pairs, got {} items", function, pair.size());
        if (!is_hashable(pair[0]))
          run.fail("{}: a {} cannot be a key", function, pair[0].type_name());
        dict.set(pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) dict.set(Value::of(name), value);
  run.charge(dict.members.size() * sizeof(Value) * 2);
  return dict;
}

Value raise_exception(Run& run, const Value&, const Arguments& arguments) {
  const Bound bound(run, "raise_exception", arguments, {"message"}, 1);
  run.fail_with("the template refuses: " + run.text_of(bound[0]).bytes());
}

Value strftime_now(Run& run, const Value&, const Arguments& arguments) {
  const Bound bound(run, "strftime_now", arguments, {"format"}, 1);
  return run.make_text(bound.text(0).remade(format_time(bound.text(0).view(), run.now())));
}

/// Gives its values in turn, or the separator each time but the first.
class Turner final : public Object {
 public:
  Turner(std::string_view type, Values values) : type_(type), values_(std::move(values)) {
    for (const Value& value : values_) depth_ = std::max(depth_, value.depth() + 1);
  }

  std::string_view type_name() const noexcept override { return type_; }
  bool can_call() const noexcept override { return type_ == "Joiner"; }
  int depth() const noexcept override { return depth_; }
  Value call(Run&, Arguments&) override {
    return at_++ == 0 ? Value::of(std::string()) : values_[0];
  }
  Value member(Run& run, std::string_view name) override {
    if (type_ == "Joiner") return Object::member(run, name);
    if (name == "current") return values_[at_ % values_.size()];
    const Method move = [](Run&, const Value& self, const Arguments&) {
      auto& turner = static_cast<Turner&>(*self.object());
      return turner.values_[turner.at_++ % turner.values_.size()];
    };
    const Method reset = [](Run&, const Value& self, const Arguments&) {
      static_cast<Turner&>(*self.object()).at_ = 0;
      return Value::none();
    };
    if (name != "next" && name != "reset") return Object::member(run, name);
    return make_function(name, name == "next" ? move : reset, Value::of(self_.lock()));
  }
  static Value make(Run& run, std::string_view type, Values values) {
    const auto made = std::make_shared<Turner>(type, std::move(values));
    made->self_ = made;
    if (made->depth_ > 100) run.fail_unsupported("values nested too deep");
    return Value::of(std::shared_ptr<Object>(made));
  }

 private:
  std::string_view type_;
  Values values_;
  std::weak_ptr<Object> self_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

constexpr MethodRow kGlobals[] = {
    {"range", make_range},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
    {"dict", [](Run& run, const Value&,
                const Arguments& arguments) { return make_dict(dict_of(run, "dict", arguments)); }},
    {"namespace",
     [](Run& run, const Value&, const Arguments& arguments) {
       return run.keep(std::make_shared<Namespace>(dict_of(run, "namespace", arguments)));
     }},
    {"cycler",
     [](Run& run, const Value&, const Arguments& arguments) {
       if (arguments.positional.empty() || !arguments.named.empty())
         run.fail("cycler: expected one value or more");
       return Turner::make(run, "Cycler", arguments.positional);
     }},
    {"joiner",
     [](Run& run, const Value&, const Arguments& arguments) {
       const Bound bound(run, "joiner", arguments, {"sep"});
       return Turner::make(run, "Joiner", {bound.has(0) ? bound[0] : Value::of(std::string(", "))});
     }},
};

}  // namespace

Value global(std::string_view name) {
  const auto found = std::ranges::find(kGlobals, name, &MethodRow::name);
  return found == std::end(kGlobals) ? Value() : make_function(name, found->run, Value::none());
}

std::string Namespace::describe(Run& run) const {
  const Run::Level level(run);
  return "<Namespace " + represent(run, make_dict(members_)).bytes() + ">";
}

Value Namespace::member(Run& run, std::string_view name) {
  const Value* found = name.starts_with('_') ? nullptr : members_.find(name);
  return found ? *found : Object::member(run, name);
}

void Namespace::set(const std::string& name, Value value) {
  members_.set(Value::of(name), std::move(value));
  members_.depth = 1;
}

}  // namespace quern::jinja
