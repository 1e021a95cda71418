#pragma once

#include <string_view>

#include "io/json.h"
#include "jinja/value.h"

namespace quern::tokenizer {

/// JSON as templates see it; all of its texts are data.
jinja::Value value_of(const io::OrderedJson& json);

/// The members of the JSON object `text`. Throws: `invalid_argument`, with `name`, for what is
/// none.
jinja::Dict members_of(std::string_view text, std::string_view name);

/// Any JSON, likewise.
jinja::Value parse_value(std::string_view text, std::string_view name);

}  // namespace quern::tokenizer
