#pragma once

#include <string>
#include <string_view>

namespace quern::jinja {

/// What a string literal stands for, given what is between its quotes. Throws: `corrupt_file`.
std::string unescaped(std::string_view literal, int line);

}  // namespace quern::jinja
