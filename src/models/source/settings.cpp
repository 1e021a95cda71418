#include "models/source/settings.h"

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "io/gguf_metadata.h"

namespace quern::models {
namespace {

/// The members of an object, and those of `defaults` that it leaves out.
std::shared_ptr<const io::Json> with_defaults(const io::Json& config, std::string_view defaults) {
  io::Json merged = io::parse_json(defaults, "defaults");
  for (const auto& [name, value] : config.items()) merged[name] = value;
  return std::make_shared<const io::Json>(std::move(merged));
}

}  // namespace

Settings::Settings(const ModelSource& source, std::string_view defaults) {
  if (source.gguf) {
    metadata_ = &source.gguf->metadata;
    prefix_ = source.architecture() + ".";
    json_ = std::make_shared<const io::Json>(io::parse_json(defaults, "defaults"));
    return;
  }
  io::JsonObject(*source.config, "config.json");  // that it is one
  json_ = with_defaults(*source.config, defaults);
}

std::string_view Settings::json_name(const Setting& setting) const {
  for (const std::string_view name : setting.json) {
    if (!name.empty() && json_->contains(name)) return name;
  }
  return setting.json.front();
}

std::string Settings::name(const Setting& setting) const {
  return is_gguf() ? prefix_ + std::string(setting.gguf) : std::string(json_name(setting));
}

bool Settings::mentions(const Setting& setting) const {
  if (is_gguf()) return !setting.gguf.empty() && metadata_->contains(name(setting));
  return json_->contains(json_name(setting));
}

bool Settings::has(const Setting& setting) const {
  return mentions(setting) && (is_gguf() || json().contains(json_name(setting)));
}

std::string Settings::activation() const {
  const std::string_view name = json_name(setting::activation);
  return json().contains(name) ? json().get<std::string>(name) : "silu";
}

std::int64_t Settings::size(const Setting& setting) const {
  return is_gguf() ? io::get_int(*metadata_, name(setting))
                   : json().get<std::int64_t>(json_name(setting));
}

std::int64_t Settings::size_of_all(const Setting& setting, std::int64_t layers) const {
  const std::vector<std::int64_t> each = size_of_each(setting, layers);
  const auto other = std::ranges::find_if(each, [&](auto one) { return one != each.front(); });
  if (other != each.end()) {
    fail(ErrorCode::unsupported, "model: \"{}\" is {} in layer 0 and {} in layer {}, which differ",
         name(setting), each.front(), *other, other - each.begin());
  }
  return each.front();
}

std::int64_t Settings::size_or(const Setting& setting, std::int64_t fallback) const {
  return has(setting) ? size(setting) : fallback;
}

std::vector<std::int64_t> Settings::size_of_each(const Setting& setting,
                                                 std::int64_t layers) const {
  std::vector<std::int64_t> each;
  if (is_gguf()) {
    const auto found = metadata_->find(name(setting));
    const auto* list = found == metadata_->end()
                           ? nullptr
                           : std::get_if<std::vector<std::int64_t>>(&found->second);
    if (list == nullptr) return std::vector(static_cast<std::size_t>(layers), size(setting));
    each = *list;
  } else if (const io::JsonObject members = json();
             members.contains(json_name(setting)) && json_->at(json_name(setting)).is_array()) {
    each = members.get<std::vector<std::int64_t>>(json_name(setting));
  } else {
    return std::vector(static_cast<std::size_t>(layers), size(setting));
  }
  if (std::ssize(each) != layers) {
    fail(ErrorCode::corrupt_file, "model: \"{}\": expected {} elements, one for each layer, got {}",
         name(setting), layers, each.size());
  }
  return each;
}

std::int64_t Settings::largest(const Setting& setting) const {
  if (!has(setting)) return 0;
  if (!is_gguf()) {
    const io::Json& value = json_->at(json_name(setting));
    if (!value.is_array()) return size(setting);
    const auto each = json().get<std::vector<std::int64_t>>(json_name(setting));
    return each.empty() ? 0 : std::ranges::max(each);
  }
  const io::GgufValue& value = metadata_->find(name(setting))->second;
  if (const auto* one = std::get_if<std::int64_t>(&value)) return *one;
  const auto* each = std::get_if<std::vector<std::int64_t>>(&value);
  return each == nullptr || each->empty() ? 0 : std::ranges::max(*each);
}

double Settings::number(const Setting& setting) const {
  return is_gguf() ? io::get_float(*metadata_, name(setting))
                   : json().get<double>(json_name(setting));
}

double Settings::number_or(const Setting& setting, double fallback) const {
  return has(setting) ? number(setting) : fallback;
}

bool Settings::flag_or(const Setting& setting, bool fallback) const {
  if (!has(setting)) return fallback;
  return is_gguf() ? io::find_bool(*metadata_, name(setting)).value()
                   : json().get<bool>(json_name(setting));
}

std::string Settings::text_or(const Setting& setting, std::string_view fallback) const {
  if (!has(setting)) return std::string(fallback);
  return is_gguf() ? io::get_string(*metadata_, name(setting))
                   : json().get<std::string>(json_name(setting));
}

std::optional<bool> Settings::bias(const Setting& flag, bool fallback) const {
  return bias(is_gguf() || flag_or(flag, fallback));
}

std::optional<bool> Settings::bias(bool has) const {
  return is_gguf() ? std::nullopt : std::optional(has);
}

void Settings::expect_type(std::string_view type) const {
  if (is_gguf()) return;
  const auto given = json().get_or<std::string>("model_type", std::string(type));
  if (given != type) {
    fail(ErrorCode::unsupported,
         "config.json: \"model_type\" is \"{}\", expected \"{}\" for its architecture", given,
         type);
  }
}

void Settings::expect(const Setting& flag, bool value) const {
  if (flag_or(flag, value) != value) {
    fail(ErrorCode::unsupported, "model: \"{}\" is {}; known: {}", name(flag), !value, value);
  }
}

}  // namespace quern::models
