#pragma once

#include <optional>
#include <string>

#include "jinja/value.h"

namespace quern::jinja {

/// How `tojson` writes, with Python's defaults.
struct JsonStyle {
  bool ascii = false;
  std::optional<std::string> indent = {};
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};

/// Throws `invalid_argument` for what JSON has no form for.
Text to_json(Run& run, const Value& value, const JsonStyle& style);

}  // namespace quern::jinja
