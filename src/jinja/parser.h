#pragma once

#include <string_view>

#include "jinja/ast.h"

namespace quern::jinja {

/// Parses a template of the language that transformers' environment has: Jinja 3.1 with loop
/// controls and `generation`, without templates that include others. Throws: `corrupt_file` with
/// the line and what was expected; `unsupported` for what is valid and not for here.
Program parse(std::string_view source);

}  // namespace quern::jinja
