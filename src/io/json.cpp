#include "io/json.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "core/error.h"

namespace quern::io {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::int64_t kMaxValues = std::int64_t{1} << 23;

/// Walks the text for the parser and lets errors say where it is.
struct Cursor {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  const char** furthest;

  reference operator*() const { return *at; }
  Cursor& operator++() {
    *furthest = ++at;
    return *this;
  }
  bool operator==(const Cursor& other) const { return at == other.at; }
  bool operator!=(const Cursor& other) const { return at != other.at; }
};

/// Builds the value from the parser's events, so that what it refuses is refused before it grows.
template <class J>
class Builder {
 public:
  Builder(std::string_view text, std::string_view name)
      : name_(name), begin_(text.data()), furthest_(text.data()) {}

  const char** furthest() { return &furthest_; }
  J take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(typename J::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(J::object()); }
  bool start_array(std::size_t) { return open(J::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    auto& members = open_.back()->template get_ref<typename J::object_t&>();
    bool is_new = false;
    if constexpr (std::is_same_v<J, OrderedJson>) {
      is_new = keys_.back().insert(name).second;
      if (is_new) member_ = &members.emplace_back(name, nullptr).second;
    } else {
      const auto [member, inserted] = members.emplace(name, nullptr);
      is_new = inserted;
      member_ = &member->second;
    }
    if (!is_new) fail_here("the key \"{}\" occurs twice", name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const typename J::exception& error) {
    const std::string_view what = error.what();
    fail_here("not valid JSON: {}", what.substr(std::min(what.size(), what.find("] ") + 2)));
    return false;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail_here(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::corrupt_file, "{}: {} (at byte {})", name_,
         fmt::format(format, std::forward<Args>(args)...), furthest_ - begin_);
  }

  bool add(J value) {
    place(std::move(value));
    return true;
  }

  J* place(J value) {
    if (++count_ > kMaxValues) fail_here("more than {} values", std::int64_t{kMaxValues});
    J* slot = &root_;
    if (!open_.empty() && open_.back()->is_array()) {
      slot = &open_.back()->template get_ref<typename J::array_t&>().emplace_back();
    } else if (!open_.empty()) {
      slot = member_;
    }
    *slot = std::move(value);
    return slot;
  }

  bool open(J container) {
    if (open_.size() == kMaxDepth) {
      fail_here("nested more than {} levels deep", std::size_t{kMaxDepth});
    }
    open_.push_back(place(std::move(container)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  std::string_view name_;
  const char* begin_;
  const char* furthest_;
  J root_;
  std::vector<J*> open_;
  std::vector<std::unordered_set<std::string>> keys_;  ///< of the objects open, where in order
  J* member_ = nullptr;
  std::int64_t count_ = 0;
};

template <class J>
J parse(std::string_view text, std::string_view name) {
  Builder<J> builder(text, name);
  // The parser would take a zero byte for the end of the text.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    fail(ErrorCode::corrupt_file, "{}: not valid JSON: a zero byte (at byte {})", name, zero);
  }
  const char* end = text.data() + text.size();
  J::sax_parse(Cursor{text.data(), builder.furthest()}, Cursor{end, builder.furthest()}, &builder);
  return builder.take();
}

/// `json` as a person would write it, shortened.
std::string excerpt(const Json& json) {
  if (json.is_object()) return "an object";
  if (json.is_array()) return "an array";
  constexpr std::size_t kLongest = 40;
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

/// How messages name the type T, and which values are of it.
template <class T>
struct Kind;

template <>
struct Kind<bool> {
  static std::string expected() { return "true or false"; }
  static constexpr const char* kElements = "booleans";
  static bool accepts(const Json& json) { return json.is_boolean(); }
};

template <>
struct Kind<std::int64_t> {
  static std::string expected() { return "an integer"; }
  static constexpr const char* kElements = "integers";
  static bool accepts(const Json& json) {
    constexpr auto kLargest = std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    return json.is_number_unsigned() ? json.get<std::uint64_t>() <= kLargest
                                     : json.is_number_integer();
  }
};

template <>
struct Kind<double> {
  static std::string expected() { return "a number"; }
  static constexpr const char* kElements = "numbers";
  static bool accepts(const Json& json) { return json.is_number(); }
};

template <>
struct Kind<std::string> {
  static std::string expected() { return "a string"; }
  static constexpr const char* kElements = "strings";
  static bool accepts(const Json& json) { return json.is_string(); }
};

template <class T>
struct Kind<std::vector<T>> {
  static std::string expected() { return fmt::format("an array of {}", Kind<T>::kElements); }
  static bool accepts(const Json& json) {
    return json.is_array() && std::all_of(json.begin(), json.end(), Kind<T>::accepts);
  }
};

}  // namespace

Json parse_json(std::string_view text, std::string_view name) { return parse<Json>(text, name); }

OrderedJson parse_ordered_json(std::string_view text, std::string_view name) {
  return parse<OrderedJson>(text, name);
}

Json read_json(const std::string& path) {
  const FileBytes file = map_file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}, path);
}

JsonObject::JsonObject(const Json& json, std::string where)
    : JsonObject(json, std::move(where), "") {}

JsonObject::JsonObject(const Json& json, std::string where, std::string path)
    : json_(&json), where_(std::move(where)), path_(std::move(path)) {
  if (!json.is_object()) {
    fail(ErrorCode::corrupt_file, "{}: expected an object, got {}", where_, excerpt(json));
  }
}

const Json* JsonObject::find(std::string_view name) const {
  const auto& members = json_->get_ref<const Json::object_t&>();
  const auto found = members.find(name);
  return found == members.end() || found->second.is_null() ? nullptr : &found->second;
}

const Json& JsonObject::require_member(std::string_view name) const {
  const Json* member = find(name);
  if (member == nullptr) {
    fail(ErrorCode::corrupt_file, "{}: \"{}{}\" is missing", where_, path_, name);
  }
  return *member;
}

void JsonObject::fail_type(std::string_view name, std::string_view expected,
                           const Json& got) const {
  fail(ErrorCode::corrupt_file, "{}: \"{}{}\": expected {}, got {}", where_, path_, name, expected,
       excerpt(got));
}

template <class T>
T JsonObject::get(std::string_view name) const {
  const Json& member = require_member(name);
  if (!Kind<T>::accepts(member)) fail_type(name, Kind<T>::expected(), member);
  return member.get<T>();
}

template bool JsonObject::get(std::string_view) const;
template std::int64_t JsonObject::get(std::string_view) const;
template double JsonObject::get(std::string_view) const;
template std::string JsonObject::get(std::string_view) const;
template std::vector<bool> JsonObject::get(std::string_view) const;
template std::vector<std::int64_t> JsonObject::get(std::string_view) const;
template std::vector<double> JsonObject::get(std::string_view) const;
template std::vector<std::string> JsonObject::get(std::string_view) const;

JsonObject JsonObject::object(std::string_view name) const {
  const Json& member = require_member(name);
  if (!member.is_object()) fail_type(name, "an object", member);
  return {member, where_, fmt::format("{}{}.", path_, name)};
}

std::optional<JsonObject> JsonObject::find_object(std::string_view name) const {
  return contains(name) ? std::optional(object(name)) : std::nullopt;
}

const Json& JsonObject::array(std::string_view name) const {
  const Json& member = require_member(name);
  if (!member.is_array()) fail_type(name, "an array", member);
  return member;
}

}  // namespace quern::io
