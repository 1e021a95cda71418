#pragma once

#include <fmt/format.h>

#include "quern/dtype.h"
#include "quern/shape.h"

/// Lets messages print shapes and dtypes directly.
template <>
struct fmt::formatter<quern::Shape> : fmt::formatter<std::string> {
  auto format(const quern::Shape& shape, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(quern::to_string(shape), context);
  }
};

template <>
struct fmt::formatter<quern::DType> : fmt::formatter<std::string_view> {
  auto format(quern::DType dtype, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format(quern::to_string(dtype), context);
  }
};
