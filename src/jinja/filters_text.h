#pragma once

#include <string_view>

#include "jinja/filters.h"

namespace quern::jinja {

/// The filters of texts and numbers, and those of what can be iterated over, or nullptr.
FilterFunction find_text_filter(std::string_view name) noexcept;
FilterFunction find_sequence_filter(std::string_view name) noexcept;

}  // namespace quern::jinja
