#pragma once

#include <fmt/format.h>

#include <utility>

#include "quern/error.h"

namespace quern::serve {

template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws `invalid_argument` unless `condition` holds.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]]
    fail(ErrorCode::invalid_argument, format, std::forward<Args>(args)...);
}

}  // namespace quern::serve
