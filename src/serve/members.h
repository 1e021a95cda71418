#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "serve/json_view.h"

namespace quern::serve {

using Json = nlohmann::json;

/// Checks that the body of a request is JSON, of which the result is a view. Throws: ApiError for
/// what is not JSON in UTF-8 or is nested deeper than `limits` say.
JsonView parse_body(std::string_view body, const JsonLimits& limits = {});

/// JSON as text; what is not UTF-8 in it is replaced.
std::string dump(const Json& json);

/// The members of an object in a request, 256 at most, with errors that name the one that is wrong.
/// A member that is null is as one that is absent. A view: the text must outlive it.
class Members {
 public:
  /// `path` is put before the names of members: "messages[0].". Throws: ApiError, as all below,
  /// unless `json` is an object in which no name occurs twice.
  explicit Members(JsonView json, std::string path = {});

  /// The member, of any type; null where there is none.
  const JsonView* find(std::string_view name);
  /// Throws also where there is none.
  const JsonView& need(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  /// Within [low, high].
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  std::optional<double> number(std::string_view name, double low, double high);
  std::optional<std::string> string(std::string_view name);
  /// A member that this service takes with these values only, which are as if it were absent.
  void only(std::string_view name, std::initializer_list<Json> values);
  /// A member that changes nothing here.
  void ignore(std::string_view name) { known_.emplace_back(name); }

  /// Throws where the object has a member that was not asked for above; lists those that were.
  void no_others() const;

  std::string path_of(std::string_view name) const { return path_ + std::string(name); }
  [[noreturn]] void wrong_type(std::string_view name, std::string_view expected) const;

 private:
  JsonMembers json_;
  std::string path_;
  std::vector<std::string> known_;
};

/// The type of a value, as errors say it: "an object", "a string".
std::string_view type_name(JsonView json) noexcept;

}  // namespace quern::serve
