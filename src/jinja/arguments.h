#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace quern::jinja {

/// What a call is given.
class Arguments {
 public:
  Arguments() = default;
  explicit Arguments(Values given) : positional(std::move(given)) {}

  Values positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const noexcept;
};

/// Arguments in the places of a function's parameters.
class Bound {
 public:
  /// Throws `invalid_argument` for too many, for one given twice or of no such name, and where one
  /// of the first `needed` is missing.
  Bound(Run& run, std::string_view function, const Arguments& arguments,
        std::initializer_list<std::string_view> parameters, std::size_t needed = 0);

  bool has(std::size_t at) const noexcept { return values_[at] != nullptr; }
  const Value& operator[](std::size_t at) const noexcept { return *values_[at]; }
  /// Not there, or none.
  bool is_none(std::size_t at) const noexcept { return !has(at) || values_[at]->is_none(); }
  bool flag(std::size_t at, bool otherwise) const noexcept;
  /// Each throws `invalid_argument` for a value of another type.
  std::int64_t integer(std::size_t at, std::int64_t otherwise) const;
  const Text& text(std::size_t at) const;

 private:
  [[noreturn]] void fail_type(std::size_t at, std::string_view expected) const;

  Run& run_;
  std::string_view function_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> values_;
};

}  // namespace quern::jinja
