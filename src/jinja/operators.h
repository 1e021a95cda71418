#pragma once

#include <string_view>

#include "jinja/value.h"

namespace quern::jinja {

/// `a + b` and so on, as Python does it. Integers have 64 bits.
Value arithmetic(Run& run, std::string_view sign, const Value& a, const Value& b);
Value negated(Run& run, const Value& value);
/// "==", "<", "in", "not in" and so on.
bool compare(Run& run, std::string_view word, const Value& a, const Value& b);
/// Below 0, 0 or above. Throws where Python does not order the two.
int order(Run& run, const Value& a, const Value& b);
bool contains(Run& run, const Value& item, const Value& container);
/// `value[begin:end:step]`.
Value slice(Run& run, const Value& value, const Value& begin, const Value& end, const Value& step);
/// As `Markup` escapes: HTML that is safe stays as it is.
Text escaped(Run& run, const Value& value);

}  // namespace quern::jinja
