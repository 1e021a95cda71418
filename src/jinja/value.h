#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/text.h"

namespace quern::jinja {

class Value;
struct Sequence;
struct Dict;
class Object;

/// What a name, a member or an element that is not there gives. It prints as nothing, and most of
/// what is done with it fails with `why`.
struct Undefined {
  std::shared_ptr<const std::string> why = {};
};

/// A value as templates see it, after Python's: it cannot be changed, but for a Namespace's members
/// and for how far a generator was read. Copies share.
class Value {
 public:
  using Variant = std::variant<Undefined, std::monostate, bool, std::int64_t, double,
                               std::shared_ptr<const Text>, std::shared_ptr<Sequence>,
                               std::shared_ptr<const Dict>, std::shared_ptr<Object>>;

  Value() = default;  ///< undefined
  Value(Variant value) : value_(std::move(value)) {}
  static Value none() { return Variant(std::monostate()); }
  static Value of(bool value) { return Variant(value); }
  static Value of(std::int64_t value) { return Variant(value); }
  static Value of(double value) { return Variant(value); }
  static Value of(Text text) { return Variant(std::make_shared<const Text>(std::move(text))); }
  static Value of(std::string own) { return of(Text(std::move(own))); }
  static Value of(std::shared_ptr<Object> object) { return Variant(std::move(object)); }
  static Value undefined(std::string why);

  bool is_undefined() const noexcept { return holds<Undefined>(); }
  bool is_none() const noexcept { return holds<std::monostate>(); }
  template <class T>
  bool holds() const noexcept {
    return std::holds_alternative<T>(value_);
  }
  /// The alternative T, or nullptr.
  template <class T>
  const T* find() const noexcept {
    return std::get_if<T>(&value_);
  }

  const Text* text() const noexcept;
  const Sequence* sequence() const noexcept;
  const Dict* dict() const noexcept;
  Object* object() const noexcept;
  /// An integer or a bool, which is one too.
  const std::int64_t* integer(std::int64_t& of_bool) const noexcept;
  /// Whether it is a number of any kind, and which as a float.
  bool number(double& value) const noexcept;

  const Variant& variant() const noexcept { return value_; }
  /// Whether both are one and the same.
  bool is(const Value& other) const noexcept;
  /// How Python names the type: "str", "NoneType".
  std::string_view type_name() const noexcept;
  /// How many containers stand within one another here.
  int depth() const noexcept;

 private:
  Variant value_;
};

using Values = std::vector<Value>;

/// What a template iterates over.
struct Sequence {
  enum class Kind { list, tuple, range, generator, items, keys, values };

  Kind kind = Kind::list;
  Values items;
  int depth = 1;
  std::size_t taken = 0;       ///< of a generator: it gives each item once
  std::int64_t range[3] = {};  ///< what a range was made of

  bool has_length() const noexcept { return kind != Kind::generator; }
  bool has_index() const noexcept { return kind <= Kind::range; }
};

/// A mapping in the order of insertion.
struct Dict {
  std::vector<std::pair<Value, Value>> members;
  int depth = 1;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  /// Replaces the value where the key is there. The key was checked to be hashable.
  void set(Value key, Value value);

 private:
  /// Where the key stands, or past the last.
  std::size_t place(const Value& key) const;

  std::unordered_map<std::string, std::size_t> texts_;  ///< where keys that are texts stand
};

/// Throws: `unsupported` past the deepest nesting.
Value make_sequence(Sequence::Kind kind, Values items);
inline Value make_list(Values items) {
  return make_sequence(Sequence::Kind::list, std::move(items));
}
Value make_dict(Dict dict);

class Run;
class Arguments;

/// A value that is not data: a function, a macro, a loop, a namespace.
class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  virtual std::string_view type_name() const noexcept { return "function"; }
  /// What it prints.
  virtual std::string describe(Run&) const;
  /// The member `name`, or an undefined value.
  virtual Value member(Run&, std::string_view name);
  virtual bool can_call() const noexcept { return true; }
  virtual Value call(Run&, Arguments& arguments);
  /// How many containers stand within one another in what it holds, and keeps to itself.
  virtual int depth() const noexcept { return 0; }
  /// Forgets what it holds, so that no cycle is left when a rendering ends.
  virtual void clear() noexcept {}
};

bool is_hashable(const Value& value) noexcept;
bool truth(const Value& value) noexcept;
/// Python's `==`. Each pair compared is counted in `run`.
bool equal(Run& run, const Value& a, const Value& b);

}  // namespace quern::jinja
