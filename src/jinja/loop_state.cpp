#include "jinja/loop_state.h"

#include <algorithm>
#include <utility>

#include "jinja/methods.h"

namespace quern::jinja {

LoopState::LoopState(Run& run, const Loop& loop, const Value& items, std::shared_ptr<Scope> outer,
                     int depth)
    : run_(run), loop_(loop), items_(run.iterate(items)), outer_(std::move(outer)), level_(depth) {
  for (const Value& item : items_) nesting_ = std::max(nesting_, item.depth() + 1);
  if (!loop.condition && (items.is_undefined() || items.text() || items.dict() ||
                          (items.sequence() && items.sequence()->has_length())))
    length_ = static_cast<std::int64_t>(items_.size());
}

std::optional<Value> LoopState::fetch() {
  while (next_ < items_.size()) {
    const Value item = items_[next_++];
    if (chosen_ || run_.takes(loop_, item, outer_)) return item;
  }
  return std::nullopt;
}

bool LoopState::peek() {
  if (!after_) after_ = fetch();
  return after_.has_value();
}

bool LoopState::advance() {
  if (!peek()) return false;
  if (index0_ >= 0) before_ = current_;
  current_ = *after_;
  after_.reset();
  ++index0_;
  return true;
}

std::int64_t LoopState::length() {
  if (length_) return *length_;
  Values rest;
  while (auto item = fetch()) rest.push_back(std::move(*item));
  length_ = static_cast<std::int64_t>(rest.size()) + index0_ + 1 + (after_ ? 1 : 0);
  next_ = items_.size();
  chosen_ = true;
  for (Value& item : rest) items_.push_back(std::move(item));
  return *length_;
}

std::string LoopState::describe(Run&) const {
  return fmt::format("<LoopContext {}/{}>", index0_ + 1, items_.size());
}

Value LoopState::member(Run& run, std::string_view name) {
  if (name == "index") return Value::of(index0_ + 1);
  if (name == "index0") return Value::of(index0_);
  if (name == "first") return Value::of(index0_ == 0);
  if (name == "last") return Value::of(!peek());
  if (name == "length") return Value::of(length());
  if (name == "revindex") return Value::of(length() - index0_);
  if (name == "revindex0") return Value::of(length() - index0_ - 1);
  if (name == "depth") return Value::of(std::int64_t{level_} + 1);
  if (name == "depth0") return Value::of(std::int64_t{level_});
  if (name == "previtem") return before_;
  if (name == "nextitem")
    return peek() ? *after_ : Value::undefined("there is no item after the last of a loop");
  const auto self = std::static_pointer_cast<Object>(shared_from_this());
  if (name == "cycle") return make_function(name, cycle, Value::of(self));
  if (name != "changed") return Object::member(run, name);
  if (!std::exchange(kept_, true)) run.keep(self);
  return make_function(name, changed, Value::of(self));
}

Value LoopState::call(Run& run, Arguments& arguments) {
  const Bound bound(run, "loop", arguments, {"iterable"}, 1);
  return run.call_loop(loop_, bound[0], outer_, level_ + 1);
}

Value LoopState::cycle(Run& run, const Value& self, const Arguments& arguments) {
  const auto& loop = static_cast<const LoopState&>(*self.object());
  if (arguments.positional.empty()) run.fail("loop.cycle: expected values, got none");
  const auto count = static_cast<std::int64_t>(arguments.positional.size());
  return arguments.positional[static_cast<std::size_t>(loop.index0_ % count)];
}

Value LoopState::changed(Run& run, const Value& self, const Arguments& arguments) {
  auto& loop = static_cast<LoopState&>(*self.object());
  const bool same =
      loop.last_changed_ &&
      std::ranges::equal(*loop.last_changed_, arguments.positional,
                         [&](const Value& a, const Value& b) { return equal(run, a, b); });
  if (!same) loop.last_changed_ = arguments.positional;
  return Value::of(!same);
}

}  // namespace quern::jinja
