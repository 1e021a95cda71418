#include "tokenizer/json_value.h"

#include <limits>

#include "core/error.h"

namespace quern::tokenizer {

using jinja::Text;
using jinja::Value;

Value value_of(const io::OrderedJson& json) {
  if (json.is_null()) return Value::none();
  if (json.is_boolean()) return Value::of(json.get<bool>());
  if (json.is_number_unsigned()) {
    const auto number = json.get<std::uint64_t>();
    constexpr auto kLargest = std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    return number <= kLargest ? Value::of(static_cast<std::int64_t>(number))
                              : Value::of(static_cast<double>(number));
  }
  if (json.is_number_integer()) return Value::of(json.get<std::int64_t>());
  if (json.is_number()) return Value::of(json.get<double>());
  if (json.is_string()) return Value::of(Text::data(json.get<std::string>()));
  if (json.is_array()) {
    jinja::Values items;
    for (const io::OrderedJson& item : json) items.push_back(value_of(item));
    return jinja::make_list(std::move(items));
  }
  jinja::Dict dict;
  for (const auto& [key, member] : json.items())
    dict.set(Value::of(Text::data(key)), value_of(member));
  return jinja::make_dict(std::move(dict));
}

Value parse_value(std::string_view text, std::string_view name) {
  try {
    return value_of(io::parse_ordered_json(text, name));
  } catch (const Error& error) {
    fail(ErrorCode::invalid_argument, "{}", error.what());
  }
}

jinja::Dict members_of(std::string_view text, std::string_view name) {
  const Value value = parse_value(text, name);
  require(value.dict() != nullptr, "{}: expected a JSON object, got another value", name);
  return *value.dict();
}

}  // namespace quern::tokenizer
