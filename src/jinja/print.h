#pragma once

#include <string>

#include "jinja/value.h"

namespace quern::jinja {

/// Python's `str` and `repr`.
Text to_text(Run& run, const Value& value);
Text represent(Run& run, const Value& value);
std::string represent(double value);

}  // namespace quern::jinja
