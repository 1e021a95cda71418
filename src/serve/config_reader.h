#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/json_view.h"

namespace quern::serve {

/// Members of one object of a configuration, each asked for by name: what is there replaces the
/// value passed, what is absent leaves it. `finish` then complains of members nobody asked for.
///
/// All throw `invalid_argument` with the file and the member's path: `quern.json:
/// "plans.pro.priority": expected a whole number, got "high"`.
class ConfigObject {
 public:
  /// The object that the text of a whole file is; a view of the text. Throws also for what is not
  /// JSON in UTF-8 with an object at its top, and more than 16 levels.
  static ConfigObject parse(std::string_view text, std::string_view name);

  /// Throws also for a member that occurs twice, and more than 65,536 of them.
  ConfigObject(JsonView json, std::string file, std::string path);

  void read(std::string_view name, bool& value);
  void read(std::string_view name, int& value);
  void read(std::string_view name, std::int64_t& value);
  void read(std::string_view name, std::string& value);
  void read(std::string_view name, std::vector<std::string>& value);
  /// A member that must be there.
  void read_required(std::string_view name, std::string& value);
  /// An object, an array of objects, and objects by names of the user's choice.
  void object(std::string_view name, const std::function<void(ConfigObject&)>& use);
  void objects(std::string_view name, const std::function<void(ConfigObject&)>& use);
  void named_objects(std::string_view name,
                     const std::function<void(const std::string&, ConfigObject&)>& use);

  void finish() const;

  /// Throws that a member's value is not what it should be.
  [[noreturn]] void fail_member(std::string_view name, std::string_view expected) const;

 private:
  const JsonView* find(std::string_view name);
  std::string path_of(std::string_view name) const;

  std::string file_;
  std::string path_;  ///< "" or "plans.pro"
  JsonMembers json_;
  std::vector<std::string> known_;
};

}  // namespace quern::serve
