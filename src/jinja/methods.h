#pragma once

#include <optional>
#include <string_view>

#include "jinja/arguments.h"
#include "jinja/value.h"

namespace quern::jinja {

using Method = Value (*)(Run& run, const Value& self, const Arguments& arguments);

struct MethodRow {
  std::string_view name;
  Method run;
};

/// The method that Python's type of `value` has under this name, as a value to call; what changes
/// it is forbidden.
std::optional<Value> method_of(Run& run, const Value& value, std::string_view name);

/// Those of strings, in two tables: what gives texts, and what tells about them.
Method find_text_method(std::string_view name) noexcept;
Method find_text_query(std::string_view name) noexcept;

/// A function as a value.
Value make_function(std::string_view name, Method run, Value self);

}  // namespace quern::jinja
