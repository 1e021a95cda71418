#include "serve/members.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace quern::serve {
namespace {

constexpr std::size_t kMaxMembers = 256;

/// The path of an object without the point that its members' begin with.
std::string_view self(std::string_view path) {
  return path.empty() ? "body" : path.substr(0, path.find_last_not_of('.') + 1);
}

JsonMembers members_of(JsonView json, std::string_view path) {
  const auto wrong = [&](std::string_view what) {
    return bad_member(path.empty() ? "" : self(path), fmt::format("{}: {}", self(path), what));
  };
  if (!json.is_object()) throw wrong(fmt::format("expected an object, got {}", type_name(json)));
  try {
    return {json, kMaxMembers};
  } catch (const JsonError& error) {
    throw wrong(error.what());
  }
}

template <class T>
[[noreturn]] void fail_range(const std::string& path, JsonView value, T low, T high) {
  constexpr std::size_t kLongestNumber = 40;
  throw bad_member(path, fmt::format("{}: {} is not within [{}, {}]", path,
                                     value.text().substr(0, kLongestNumber), low, high));
}

}  // namespace

JsonView parse_body(std::string_view body, const JsonLimits& limits) {
  try {
    return JsonView::parse(body, limits);
  } catch (const JsonError& error) {
    throw ApiError(400, fmt::format("the body is not valid JSON: {}", error.what()),
                   {.code = "invalid_json"});
  }
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Members::Members(JsonView json, std::string path)
    : json_(members_of(json, path)), path_(std::move(path)) {}

const JsonView* Members::find(std::string_view name) {
  known_.emplace_back(name);
  const JsonView* found = json_.find(name);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const JsonView& Members::need(std::string_view name) {
  const JsonView* found = find(name);
  if (found != nullptr) return *found;
  throw ApiError(400, fmt::format("{}: required, and missing", path_of(name)),
                 {.param = path_of(name), .code = "missing_required_parameter"});
}

void Members::wrong_type(std::string_view name, std::string_view expected) const {
  throw ApiError(
      400,
      fmt::format("{}: expected {}, got {}", path_of(name), expected, type_name(*json_.find(name))),
      {.param = path_of(name), .code = "invalid_type"});
}

std::optional<bool> Members::boolean(std::string_view name) {
  const JsonView* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) wrong_type(name, "a boolean");
  return found->boolean();
}

std::optional<std::int64_t> Members::integer(std::string_view name, std::int64_t low,
                                             std::int64_t high) {
  const JsonView* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_integer()) wrong_type(name, "an integer");
  const auto value = found->integer<std::int64_t>();
  if (!value || *value < low || *value > high) fail_range(path_of(name), *found, low, high);
  return value;
}

std::optional<double> Members::number(std::string_view name, double low, double high) {
  const JsonView* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number()) wrong_type(name, "a number");
  const double value = found->number();
  if (!(value >= low && value <= high)) fail_range(path_of(name), *found, low, high);
  return value;
}

std::optional<std::string> Members::string(std::string_view name) {
  const JsonView* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) wrong_type(name, "a string");
  return found->string();
}

void Members::only(std::string_view name, std::initializer_list<Json> values) {
  constexpr std::size_t kLongest = 256;  // what is longer is not one of these values
  const JsonView* found = find(name);
  if (found == nullptr) return;
  const Json given =
      found->text().size() > kLongest ? Json() : Json::parse(found->text(), nullptr, false);
  if (std::ranges::find(values, given) != values.end()) return;
  std::vector<std::string> texts;
  for (const Json& value : values) texts.push_back(value.dump());
  throw ApiError(400,
                 fmt::format("{}: not supported here but as {}", path_of(name),
                             texts.empty() ? "null" : fmt::format("{}", fmt::join(texts, " or "))),
                 {.param = path_of(name), .code = "unsupported_parameter"});
}

void Members::no_others() const {
  for (const auto& [name, value] : json_) {
    if (std::ranges::find(known_, name) != known_.end()) continue;
    throw ApiError(400,
                   fmt::format("{}: unknown; known are {}", path_of(name), fmt::join(known_, ", ")),
                   {.param = path_of(name), .code = "unknown_parameter"});
  }
}

std::string_view type_name(JsonView json) noexcept {
  if (json.is_null()) return "null";
  if (json.is_object()) return "an object";
  if (json.is_array()) return "an array";
  if (json.is_string()) return "a string";
  return json.is_boolean() ? "a boolean" : "a number";
}

}  // namespace quern::serve
