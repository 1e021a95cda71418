#pragma once

#include <string>
#include <string_view>

#include "jinja/value.h"

namespace quern::jinja {

/// How one value is to be formatted, of either of Python's two kinds of formats.
struct FormatSpec {
  std::string fill = " ";
  char align = '\0';  ///< '<', '>', '^' or '='
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  char grouping = '\0';  ///< ',' or '_'
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = '\0';
};

/// Throws `invalid_argument` for what the value cannot be formatted as.
Text format_value(Run& run, const Value& value, const FormatSpec& spec);
FormatSpec parse_spec(Run& run, std::string_view text);
/// Digits at `at`, which moves past them; `otherwise` where there are none.
std::int64_t read_digits(Run& run, std::string_view text, std::size_t& at, std::int64_t otherwise);

}  // namespace quern::jinja
