#pragma once

#include "jinja/arguments.h"
#include "jinja/value.h"

namespace quern::jinja {

/// Python's `format % values`.
Text format_percent(Run& run, const Text& format, const Value& values);
/// Python's `format.format(...)`.
Text format_braces(Run& run, const Text& format, const Arguments& arguments);

}  // namespace quern::jinja
