#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/value.h"

namespace quern::jinja {

using TestFunction = bool (*)(Run& run, const Value& input, const Arguments& arguments);

/// The test of this name, or nullptr.
TestFunction find_test(std::string_view name) noexcept;

}  // namespace quern::jinja
