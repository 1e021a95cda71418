#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/value.h"

namespace quern::jinja {

using FilterFunction = Value (*)(Run& run, const Value& input, const Arguments& arguments);

struct FilterRow {
  std::string_view name;
  FilterFunction run;
};

/// The filter of this name, or nullptr.
FilterFunction find_filter(std::string_view name) noexcept;

/// The member that "a.b.0" names of an item, as filters take their `attribute`.
Value attribute_of(Run& run, const Value& item, const Value& path);

}  // namespace quern::jinja
