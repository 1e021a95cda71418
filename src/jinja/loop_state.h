#pragma once

#include <memory>
#include <optional>

#include "jinja/run.h"

namespace quern::jinja {

/// A loop as it runs, and what `loop` is in its body. Its condition is asked for an item when that
/// is wanted, and not before.
class LoopState final : public Object, public std::enable_shared_from_this<LoopState> {
 public:
  LoopState(Run& run, const Loop& loop, const Value& items, std::shared_ptr<Scope> outer,
            int depth);

  /// Goes to the next item, if there is one.
  bool advance();
  const Value& current() const noexcept { return current_; }

  std::string_view type_name() const noexcept override { return "LoopContext"; }
  std::string describe(Run& run) const override;
  Value member(Run& run, std::string_view name) override;
  Value call(Run& run, Arguments& arguments) override;
  int depth() const noexcept override { return nesting_; }
  void clear() noexcept override { last_changed_.reset(); }

 private:
  std::optional<Value> fetch();
  bool peek();
  std::int64_t length();
  static Value cycle(Run& run, const Value& self, const Arguments& arguments);
  static Value changed(Run& run, const Value& self, const Arguments& arguments);

  Run& run_;
  const Loop& loop_;
  Values items_;
  std::shared_ptr<Scope> outer_;
  int level_;
  int nesting_ = 0;
  std::size_t next_ = 0;
  bool chosen_ = false;  ///< the condition was asked of all that is left
  bool kept_ = false;    ///< by the rendering, since it may hold itself
  std::int64_t index0_ = -1;
  Value current_, before_ = Value::undefined("there is no item before the first of a loop");
  std::optional<Value> after_;
  std::optional<std::int64_t> length_;
  std::optional<Values> last_changed_;
};

}  // namespace quern::jinja
