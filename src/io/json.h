#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "io/mapped_file.h"

namespace quern::io {

using Json = nlohmann::json;
/// The same with the members of objects in the order of the text.
using OrderedJson = nlohmann::ordered_json;

/// Parses one JSON value. `name` says in messages whose text it is. Throws: `corrupt_file`, with
/// the offset, for what is not JSON in UTF-8, for a key that occurs twice in an object, and beyond
/// 64 levels of nesting or 2^23 values.
Json parse_json(std::string_view text, std::string_view name);
OrderedJson parse_ordered_json(std::string_view text, std::string_view name);

/// Parses a whole file. Throws also what map_file does.
Json read_json(const std::string& path);

/// Typed members of a JSON object, with errors that say where:
/// `config.json: "rope_scaling.factor": expected a number, got "abc"`.
///
/// T is bool, std::int64_t, double (which takes integers too), std::string, or a std::vector of one
/// of these. A view: the Json must outlive it.
class JsonObject {
 public:
  /// `where` names the file in messages. Throws: `corrupt_file` unless `json` is an object.
  JsonObject(const Json& json, std::string where);

  const Json& json() const noexcept { return *json_; }
  /// Whether there is such a member and it is not null.
  bool contains(std::string_view name) const { return find(name) != nullptr; }

  /// Throws: `corrupt_file` where the member is missing, null or of another type.
  template <class T>
  T get(std::string_view name) const;
  /// Nothing where the member is missing or null. Throws: `corrupt_file` where it is of another
  /// type.
  template <class T>
  std::optional<T> find(std::string_view name) const {
    return contains(name) ? std::optional<T>(get<T>(name)) : std::nullopt;
  }
  template <class T>
  T get_or(std::string_view name, T fallback) const {
    return contains(name) ? get<T>(name) : fallback;
  }

  /// A member that is an object. Throws: as `get`.
  JsonObject object(std::string_view name) const;
  std::optional<JsonObject> find_object(std::string_view name) const;
  /// A member that is an array of anything. Throws: as `get`.
  const Json& array(std::string_view name) const;

 private:
  JsonObject(const Json& json, std::string where, std::string path);
  const Json* find(std::string_view name) const;
  const Json& require_member(std::string_view name) const;
  [[noreturn]] void fail_type(std::string_view name, std::string_view expected,
                              const Json& got) const;

  const Json* json_;
  std::string where_;
  std::string path_;  ///< "" or "rope_scaling."
};

}  // namespace quern::io
