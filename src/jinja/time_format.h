#pragma once

#include <ctime>
#include <string>
#include <string_view>

namespace quern::jinja {

/// `time` as C's strftime writes it, in English wherever this runs; what is not known of `format`
/// stays as it is.
std::string format_time(std::string_view format, const std::tm& time);

}  // namespace quern::jinja
