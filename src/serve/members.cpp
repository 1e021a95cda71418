#include "serve/members.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace quern::serve {
namespace {

constexpr int kMaxDepth = 64;

ApiError not_json(const std::string& message) {
  return {400, "the body is not valid JSON: " + message, {.code = "invalid_json"}};
}

}  // namespace

Json parse_body(std::string_view body) {
  const auto bounded = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) throw not_json(fmt::format("more than {} levels", kMaxDepth));
    return true;
  };
  try {
    return Json::parse(body, bounded);
  } catch (const Json::parse_error& error) {
    throw not_json(fmt::format("at byte {}", error.byte));
  } catch (const Json::exception&) {
    throw not_json("a number is out of range");
  }
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Members::Members(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {
  if (json.is_object()) return;
  const std::string_view self = path_.empty() ? "body" : std::string_view(path_);
  throw bad_member(path_.empty() ? "" : self.substr(0, self.find_last_not_of('.') + 1),
                   fmt::format("{}: expected an object, got {}",
                               self.substr(0, self.find_last_not_of('.') + 1), type_name(json)));
}

const Json* Members::find(std::string_view name) {
  known_.emplace_back(name);
  const auto found = json_->find(known_.back());
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

const Json& Members::need(std::string_view name) {
  const Json* found = find(name);
  if (found != nullptr) return *found;
  throw ApiError(400, fmt::format("{}: required, and missing", path_of(name)),
                 {.param = path_of(name), .code = "missing_required_parameter"});
}

void Members::wrong_type(std::string_view name, std::string_view expected) const {
  throw ApiError(400,
                 fmt::format("{}: expected {}, got {}", path_of(name), expected,
                             type_name(json_->at(std::string(name)))),
                 {.param = path_of(name), .code = "invalid_type"});
}

std::optional<bool> Members::boolean(std::string_view name) {
  const Json* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) wrong_type(name, "a boolean");
  return found->get<bool>();
}

std::optional<std::int64_t> Members::integer(std::string_view name, std::int64_t low,
                                             std::int64_t high) {
  const Json* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number_integer()) wrong_type(name, "an integer");
  const bool huge = found->is_number_unsigned() &&
                    found->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const auto value = found->get<std::int64_t>();
  if (huge || value < low || value > high) {
    throw bad_member(path_of(name), fmt::format("{}: {} is not within [{}, {}]", path_of(name),
                                                found->dump(), low, high));
  }
  return value;
}

std::optional<double> Members::number(std::string_view name, double low, double high) {
  const Json* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number()) wrong_type(name, "a number");
  const auto value = found->get<double>();
  if (!(value >= low && value <= high)) {
    throw bad_member(path_of(name), fmt::format("{}: {} is not within [{}, {}]", path_of(name),
                                                found->dump(), low, high));
  }
  return value;
}

std::optional<std::string> Members::string(std::string_view name) {
  const Json* found = find(name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) wrong_type(name, "a string");
  return found->get<std::string>();
}

void Members::only(std::string_view name, const Json& value) {
  const Json* found = find(name);
  if (found == nullptr || *found == value) return;
  throw ApiError(400, fmt::format("{}: not supported here but as {}", path_of(name), value.dump()),
                 {.param = path_of(name), .code = "unsupported_parameter"});
}

void Members::no_others() const {
  for (const auto& [name, value] : json_->items()) {
    if (std::ranges::find(known_, name) != known_.end()) continue;
    throw ApiError(400,
                   fmt::format("{}: unknown; known are {}", path_of(name), fmt::join(known_, ", ")),
                   {.param = path_of(name), .code = "unknown_parameter"});
  }
}

std::string_view type_name(const Json& json) noexcept {
  switch (json.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

}  // namespace quern::serve
