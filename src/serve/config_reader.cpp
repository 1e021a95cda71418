#include "serve/config_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "serve/error.h"

namespace quern::serve {
namespace {

constexpr int kDeepest = 16;
constexpr std::size_t kMostMembers = 65'536;
constexpr std::size_t kLongestShown = 60;

std::string shown(JsonView value) {
  const std::string_view text = value.text();
  std::size_t size = kLongestShown;
  if (text.size() <= size) return std::string(text);
  while ((static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;  // within a character
  return std::string(text.substr(0, size)) + "...";
}

JsonMembers members_in_file(JsonView json, std::string_view file, std::string_view path) {
  require(json.is_object(), "{}: {}expected an object, got {}", file,
          path.empty() ? "" : fmt::format("\"{}\": ", path), shown(json));
  try {
    return {json, kMostMembers};
  } catch (const JsonError& error) {
    fail(ErrorCode::invalid_argument, "{}: {}", file, error.what());
  }
}

}  // namespace

ConfigObject ConfigObject::parse(std::string_view text, std::string_view name) {
  try {
    return {JsonView::parse(text, {.depth = kDeepest}), std::string(name), ""};
  } catch (const JsonError& error) {
    fail(ErrorCode::invalid_argument, "{} is not JSON: {}", name, error.what());
  }
}

ConfigObject::ConfigObject(JsonView json, std::string file, std::string path)
    : file_(std::move(file)), path_(std::move(path)), json_(members_in_file(json, file_, path_)) {}

std::string ConfigObject::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const JsonView* ConfigObject::find(std::string_view name) {
  known_.emplace_back(name);
  return json_.find(name);
}

void ConfigObject::fail_member(std::string_view name, std::string_view expected) const {
  const JsonView* found = json_.find(name);
  fail(ErrorCode::invalid_argument, "{}: \"{}\": expected {}, got {}", file_, path_of(name),
       expected, found == nullptr ? "nothing" : shown(*found));
}

void ConfigObject::read(std::string_view name, bool& value) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  if (!json->is_boolean()) fail_member(name, "true or false");
  value = json->boolean();
}

void ConfigObject::read(std::string_view name, std::int64_t& value) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  const auto whole = json->integer<std::int64_t>();
  if (!whole) fail_member(name, "a whole number");
  value = *whole;
}

void ConfigObject::read(std::string_view name, int& value) {
  std::int64_t wide = value;
  read(name, wide);
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    fail_member(name, "a number of 32 bits");
  }
  value = static_cast<int>(wide);
}

void ConfigObject::read(std::string_view name, std::string& value) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  if (!json->is_string()) fail_member(name, "a string");
  value = json->string();
}

void ConfigObject::read_required(std::string_view name, std::string& value) {
  if (json_.find(name) == nullptr) fail_member(name, "a string");
  read(name, value);
}

void ConfigObject::read(std::string_view name, std::vector<std::string>& value) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  if (!json->is_array()) fail_member(name, "an array of strings");
  value.clear();
  for (const auto& [unnamed, element] : *json) {
    if (!element.is_string()) fail_member(name, "an array of strings");
    value.push_back(element.string());
  }
}

void ConfigObject::object(std::string_view name, const std::function<void(ConfigObject&)>& use) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  ConfigObject below(*json, file_, path_of(name));
  use(below);
  below.finish();
}

void ConfigObject::objects(std::string_view name, const std::function<void(ConfigObject&)>& use) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  if (!json->is_array()) fail_member(name, "an array of objects");
  std::size_t i = 0;
  for (const auto& [unnamed, element] : *json) {
    ConfigObject below(element, file_, fmt::format("{}[{}]", path_of(name), i++));
    use(below);
    below.finish();
  }
}

void ConfigObject::named_objects(
    std::string_view name, const std::function<void(const std::string&, ConfigObject&)>& use) {
  const JsonView* json = find(name);
  if (json == nullptr) return;
  if (!json->is_object()) fail_member(name, "an object of objects by name");
  const std::string path = path_of(name);
  for (const auto& [key, member] : members_in_file(*json, file_, path)) {
    ConfigObject below(member, file_, path + "." + key);
    use(key, below);
    below.finish();
  }
}

void ConfigObject::finish() const {
  for (const auto& [name, value] : json_) {
    require(std::ranges::find(known_, name) != known_.end(),
            "{}: \"{}\" is not known; what may stand there: {}", file_, path_of(name),
            fmt::join(known_, ", "));
  }
}

}  // namespace quern::serve
