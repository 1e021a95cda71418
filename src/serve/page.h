#pragma once

#include <string_view>

namespace quern::serve {

/// The page of `GET /`, made of the files in page/ when the library is built.
std::string_view page_text() noexcept;

}  // namespace quern::serve
