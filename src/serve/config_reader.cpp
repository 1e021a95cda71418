#include "serve/config_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <set>

#include "serve/error.h"

namespace quern::serve {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 16;
constexpr std::size_t kLongestShown = 60;

std::string shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kLongestShown ? text : text.substr(0, kLongestShown) + "...";
}

/// Refuses while parsing what a parsed value no longer shows.
class Guard {
 public:
  explicit Guard(std::string_view file) : file_(file) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) members_.emplace_back();
    if (event == Json::parse_event_t::object_end) members_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      require(members_.back().insert(name).second, "{}: \"{}\" occurs twice in one object", file_,
              name);
    }
    require(depth <= kDeepest, "{}: more than {} levels of nesting", file_, kDeepest);
    return true;
  }

 private:
  std::string_view file_;
  std::vector<std::set<std::string>> members_;
};

}  // namespace

Json ConfigObject::parse(std::string_view text, std::string_view name) {
  try {
    Json json = Json::parse(text, Guard(name));
    require(json.is_object(), "{}: expected an object, got {}", name, shown(json));
    return json;
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_argument, "{} is not JSON: {}", name, error.what());
  }
}

ConfigObject::ConfigObject(const Json& json, std::string file, std::string path)
    : json_(&json), file_(std::move(file)), path_(std::move(path)) {
  require(json.is_object(), "{}: \"{}\": expected an object, got {}", file_, path_, shown(json));
}

std::string ConfigObject::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

const Json* ConfigObject::find(std::string_view name) {
  known_.emplace_back(name);
  const auto found = json_->find(std::string(name));
  return found == json_->end() ? nullptr : &*found;
}

void ConfigObject::fail_member(std::string_view name, std::string_view expected) const {
  const auto found = json_->find(std::string(name));
  fail(ErrorCode::invalid_argument, "{}: \"{}\": expected {}, got {}", file_, path_of(name),
       expected, found == json_->end() ? "nothing" : shown(*found));
}

void ConfigObject::read(std::string_view name, bool& value) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_boolean()) fail_member(name, "true or false");
  value = json->get<bool>();
}

void ConfigObject::read(std::string_view name, std::int64_t& value) {
  const Json* json = find(name);
  if (json == nullptr) return;
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool fits = json->is_number_integer() &&
                    (!json->is_number_unsigned() || json->get<std::uint64_t>() <= kLargest);
  if (!fits) fail_member(name, "a whole number");
  value = json->get<std::int64_t>();
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
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_string()) fail_member(name, "a string");
  value = json->get<std::string>();
}

void ConfigObject::read_required(std::string_view name, std::string& value) {
  if (!json_->contains(std::string(name))) fail_member(name, "a string");
  read(name, value);
}

void ConfigObject::read(std::string_view name, std::vector<std::string>& value) {
  const Json* json = find(name);
  if (json == nullptr) return;
  const bool strings =
      json->is_array() && std::ranges::all_of(*json, [](const Json& j) { return j.is_string(); });
  if (!strings) fail_member(name, "an array of strings");
  value = json->get<std::vector<std::string>>();
}

void ConfigObject::object(std::string_view name, const std::function<void(ConfigObject&)>& use) {
  const Json* json = find(name);
  if (json == nullptr) return;
  ConfigObject below(*json, file_, path_of(name));
  use(below);
  below.finish();
}

void ConfigObject::objects(std::string_view name, const std::function<void(ConfigObject&)>& use) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_array()) fail_member(name, "an array of objects");
  for (std::size_t i = 0; i < json->size(); ++i) {
    ConfigObject below((*json)[i], file_, fmt::format("{}[{}]", path_of(name), i));
    use(below);
    below.finish();
  }
}

void ConfigObject::named_objects(
    std::string_view name, const std::function<void(const std::string&, ConfigObject&)>& use) {
  const Json* json = find(name);
  if (json == nullptr) return;
  if (!json->is_object()) fail_member(name, "an object of objects by name");
  for (const auto& [key, member] : json->items()) {
    ConfigObject below(member, file_, path_of(name) + "." + key);
    use(key, below);
    below.finish();
  }
}

void ConfigObject::finish() const {
  for (const auto& [name, value] : json_->items()) {
    require(std::ranges::find(known_, name) != known_.end(),
            "{}: \"{}\" is not known; what may stand there: {}", file_, path_of(name),
            fmt::join(known_, ", "));
  }
}

}  // namespace quern::serve
