#pragma once

#include "jinja/ast.h"

namespace quern::jinja {

/// Finds, for each body, the names that are nothing until it sets them, and which special names
/// macros use; refuses filters and tests that are not known where Jinja does before it renders.
/// Throws: `corrupt_file` with the line.
void resolve_scopes(Program& program);

}  // namespace quern::jinja
