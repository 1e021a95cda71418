#pragma once

#include <fmt/format.h>

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/arguments.h"
#include "jinja/ast.h"
#include "jinja/template.h"
#include "jinja/value.h"

namespace quern::jinja {

/// The values that names have where a body runs; what it does not have, its parent may.
struct Scope {
  std::shared_ptr<Scope> parent = {};
  std::vector<std::pair<Name, Value>> values = {};
  bool kept = false;  ///< by the rendering, until it ends

  Value* find(Name name) noexcept;
  void set(Name name, Value value);
};

/// One rendering of a program: where it is, what it wrote, and how much it may still do. Each of
/// its functions throws `invalid_argument` for what the language refuses, and `unsupported` past a
/// limit, with the line.
class Run {
 public:
  Run(const Program& program, const Dict& data, const RenderOptions& options);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run();

  Text render();

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    fail_with(fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void fail_with(const std::string& what) const;
  [[noreturn]] void fail_unsupported(const std::string& what) const;

  /// Counts work, and memory that was taken.
  void step(std::size_t count = 1);
  void charge(std::size_t bytes);
  /// The time that the template is told.
  std::tm now() const;
  /// Holds `object` until the rendering ends, and then clears it.
  Value keep(std::shared_ptr<Object> object);

  Value evaluate(const Expression& node);
  /// What a template gets as an iterable, item by item; a generator is used up.
  Values iterate(const Value& value);
  Value call(const Value& callee, Arguments& arguments);
  Value filter(std::string_view name, const Value& input, Arguments& arguments);
  bool test(std::string_view name, const Value& input, Arguments& arguments);
  /// `value.name`, and `value[key]`: each looks where the other does after its own place.
  Value member(const Value& value, const Text& name);
  Value item(const Value& value, const Value& key);
  /// What is printed of a value.
  Text text_of(const Value& value);
  Value make_text(Text text);

  /// The text that `macro` writes for its arguments, in a scope within `scope`.
  Value call_macro(const Macro& macro, const std::shared_ptr<Scope>& scope, Arguments& arguments);
  /// The text that a recursive loop writes for other items.
  Value call_loop(const Loop& loop, const Value& items, const std::shared_ptr<Scope>& scope,
                  int depth);
  /// Whether a loop takes the item, by its condition.
  bool takes(const Loop& loop, const Value& item, const std::shared_ptr<Scope>& scope);
  const std::string& name(Name name) const { return program_.names[name]; }

  /// As long as it lives, one level more is open.
  class Level {
   public:
    explicit Level(Run& run);
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --run_.levels_; }

   private:
    Run& run_;
  };

 private:
  enum class Flow { next, leave, again };

  Flow run(const Statements& statements);
  Flow run(const Body& body, std::shared_ptr<Scope> scope);
  Flow execute(const Write& what);
  Flow execute(const Print& what);
  Flow execute(const Branches& what);
  Flow execute(const Loop& what);
  Flow execute(const Set& what);
  Flow execute(const SetBlock& what);
  Flow execute(const Macro& what);
  Flow execute(const CallBlock& what);
  Flow execute(const FilterBlock& what);
  Flow execute(const With& what);
  Flow execute(const Scoped& what);
  Flow execute(const Jump& what);
  /// What `body` writes, in a scope within the present one.
  Text captured(const Body& body, Flow& flow);
  /// Runs a loop in `outer`; `depth` counts loops that called themselves.
  Flow run(const Loop& loop, const Value& items, const std::shared_ptr<Scope>& outer, int depth);
  Value make_macro(const Macro& macro);
  void bind(const Macro& macro, Arguments& arguments, Scope& scope);
  void assign(const Target& target, const Value& value, Scope& scope);
  void write(const Text& text);

  Value look_up(Name name);
  Value evaluate_compound(const Expression& node);
  Value evaluate_call(const Expression& node);
  Value evaluate_slice(const Expression& node);
  Value evaluate_dict(const Expression& node);
  Value evaluate_comparison(const Expression& node);
  Values evaluate_all(const std::vector<Expression>& items);
  Arguments evaluate(const std::vector<Argument>& arguments);
  /// A block's filters on what the block wrote.
  Value evaluate_filters(const Expression& filter, Text input);
  std::optional<Value> own_member(const Value& value, std::string_view name);
  std::optional<Value> own_item(const Value& value, const Value& key);

  const Program& program_;
  const RenderOptions& options_;
  std::vector<Value> globals_;  ///< by Name
  std::shared_ptr<Scope> scope_;
  Text output_;
  Value input_;  ///< of a block's filters
  int line_ = 1;
  int levels_ = 0;
  std::int64_t steps_ = 0;
  std::int64_t bytes_ = 0;
  std::vector<std::shared_ptr<Object>> kept_;
  std::vector<std::shared_ptr<Scope>> kept_scopes_;
};

}  // namespace quern::jinja
