#include "jinja/time_format.h"

#include <fmt/format.h>

#include <algorithm>

namespace quern::jinja {
namespace {

constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

struct Field {
  int value = 0;
  int width = 0;
  char fill = '0';
};

std::string write(const Field& field, char flag) {
  const char fill = flag == '_' ? ' ' : flag == '0' ? '0' : field.fill;
  const std::string digits = std::to_string(field.value);
  const auto width = static_cast<std::size_t>(flag == '-' ? 0 : field.width);
  return std::string(width - std::min(width, digits.size()), fill) + digits;
}

/// A number, where the letter stands for one.
bool find_number(char letter, const std::tm& time, Field& field) {
  const int hour12 = time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
  const int weekday = time.tm_wday == 0 ? 7 : time.tm_wday;
  switch (letter) {
    case 'd':
      return field = {time.tm_mday, 2}, true;
    case 'e':
      return field = {time.tm_mday, 2, ' '}, true;
    case 'm':
      return field = {time.tm_mon + 1, 2}, true;
    case 'Y':
      return field = {time.tm_year + 1900, 1}, true;
    case 'y':
      return field = {(time.tm_year + 1900) % 100, 2}, true;
    case 'C':
      return field = {(time.tm_year + 1900) / 100, 2}, true;
    case 'H':
      return field = {time.tm_hour, 2}, true;
    case 'I':
      return field = {hour12, 2}, true;
    case 'k':
      return field = {time.tm_hour, 2, ' '}, true;
    case 'l':
      return field = {hour12, 2, ' '}, true;
    case 'M':
      return field = {time.tm_min, 2}, true;
    case 'S':
      return field = {time.tm_sec, 2}, true;
    case 'j':
      return field = {time.tm_yday + 1, 3}, true;
    case 'w':
      return field = {time.tm_wday, 1}, true;
    case 'u':
      return field = {weekday, 1}, true;
    case 'f':
      return field = {0, 6}, true;
    case 'U':
      return field = {(time.tm_yday + 7 - time.tm_wday) / 7, 2}, true;
    case 'W':
      return field = {(time.tm_yday + 8 - weekday) / 7, 2}, true;
    default:
      return false;
  }
}

/// What a letter is short for.
std::string_view whole_form(char letter) {
  switch (letter) {
    case 'c':
      return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
      return "%m/%d/%y";
    case 'F':
      return "%Y-%m-%d";
    case 'T':
    case 'X':
      return "%H:%M:%S";
    case 'R':
      return "%H:%M";
    case 'r':
      return "%I:%M:%S %p";
    default:
      return "";
  }
}

std::string word(char letter, const std::tm& time) {
  const std::string_view day = kDays[std::clamp(time.tm_wday, 0, 6)];
  const std::string_view month = kMonths[std::clamp(time.tm_mon, 0, 11)];
  switch (letter) {
    case 'A':
      return std::string(day);
    case 'a':
      return std::string(day.substr(0, 3));
    case 'B':
      return std::string(month);
    case 'b':
    case 'h':
      return std::string(month.substr(0, 3));
    case 'p':
      return time.tm_hour < 12 ? "AM" : "PM";
    case 'n':
      return "\n";
    case 't':
      return "\t";
    case '%':
      return "%";
    default:
      return "";
  }
}

}  // namespace

std::string format_time(std::string_view format, const std::tm& time) {
  constexpr std::string_view kFlags = "-_0", kNothing = "zZ";
  std::string text;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%' || at + 1 == format.size()) {
      text += format[at];
      continue;
    }
    const bool has_flag =
        kFlags.find(format[at + 1]) != std::string_view::npos && at + 2 < format.size();
    const char flag = has_flag ? format[at + 1] : '\0';
    const char letter = format[at + (has_flag ? 2 : 1)];
    Field field;
    if (find_number(letter, time, field)) {
      text += write(field, flag);
    } else if (const auto form = whole_form(letter); !form.empty()) {
      text += format_time(form, time);
    } else if (const std::string found = word(letter, time); !found.empty()) {
      text += found;
    } else if (kNothing.find(letter) == std::string_view::npos) {
      text += format.substr(at, has_flag ? 3 : 2);
    }
    at += has_flag ? 2 : 1;
  }
  return text;
}

}  // namespace quern::jinja
