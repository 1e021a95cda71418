#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quern::serve {

/// What is wrong with a text of JSON, and where.
class JsonError : public std::runtime_error {
 public:
  explicit JsonError(const std::string& message) : std::runtime_error(message) {}
};

/// Whether a text is UTF-8, without surrogates and what is longer than it must be.
bool is_utf8(std::string_view text) noexcept;

struct JsonLimits {
  int depth = 64;  ///< arrays and objects within each other
  /// Takes NaN, Infinity and -Infinity for numbers, which JSON lacks and Python writes.
  bool allows_nonfinite = false;
};

/// A JSON value where it stands in a text that was checked: what it is made of is read from the
/// text when it is asked for, so that a value takes no memory, whatever is in it.
///
/// A view: the text must outlive it. Each of `is_...` may be asked of any value, the others of the
/// values that they name only.
class JsonView {
 public:
  class Iterator;
  struct Leaves;

  /// null.
  JsonView() = default;
  /// Checks a text that is one value of JSON in UTF-8, in one pass and without memory. Throws:
  /// JsonError with the byte that is wrong.
  static JsonView parse(std::string_view text, const JsonLimits& limits = {});

  /// As it stands in the text.
  std::string_view text() const noexcept { return text_; }
  bool is_null() const noexcept { return text_[0] == 'n'; }
  bool is_boolean() const noexcept { return text_[0] == 't' || text_[0] == 'f'; }
  bool is_string() const noexcept { return text_[0] == '"'; }
  bool is_array() const noexcept { return text_[0] == '['; }
  bool is_object() const noexcept { return text_[0] == '{'; }
  bool is_number() const noexcept;
  /// A number without fraction and exponent, however large.
  bool is_integer() const noexcept;

  bool boolean() const noexcept { return text_[0] == 't'; }
  /// Without its escapes.
  std::string string() const;
  /// The nearest there is; infinite beyond all.
  double number() const noexcept;
  /// Nothing where T does not hold it, or it is no integer.
  template <class T>
  std::optional<T> integer() const noexcept {
    T value{};
    const char* end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data(), end, value);
    if (!is_integer() || error != std::errc{} || stop != end) return std::nullopt;
    return value;
  }

  /// The elements of an array or the members of an object, in their order; none of other values.
  Iterator begin() const noexcept;
  Iterator end() const noexcept;
  /// How many there are; takes time.
  std::size_t size() const noexcept;
  /// What stands in an array and in the arrays within it, in its order, without those.
  Leaves leaves() const noexcept;

 private:
  explicit JsonView(std::string_view text) : text_(text) {}

  std::string_view text_ = "null";
};

/// An element, or a member with its name.
struct JsonItem {
  JsonView name;  ///< of a member: a string
  JsonView value;
};

class JsonView::Iterator {
 public:
  const JsonItem& operator*() const noexcept { return item_; }
  const JsonItem* operator->() const noexcept { return &item_; }
  Iterator& operator++() noexcept;
  bool operator==(const Iterator& other) const noexcept { return at_ == other.at_; }

 private:
  friend class JsonView;
  Iterator() = default;
  Iterator(std::string_view container, std::string_view separators) noexcept;
  JsonView next() noexcept;

  const char* at_ = nullptr;  ///< where the item begins; null: after the last
  std::string_view rest_;     ///< what follows the item
  std::string_view separators_;
  bool named_ = false;
  JsonItem item_;
};

struct JsonView::Leaves {
  Iterator begin() const noexcept { return first; }
  Iterator end() const noexcept { return {}; }
  Iterator first;
};

/// The members of an object by name. A view.
class JsonMembers {
 public:
  /// Throws: JsonError beyond `most` members, and for a name that occurs twice.
  JsonMembers(JsonView object, std::size_t most);

  /// Null where there is none.
  const JsonView* find(std::string_view name) const noexcept;
  /// By name.
  auto begin() const noexcept { return members_.begin(); }
  auto end() const noexcept { return members_.end(); }

 private:
  std::vector<std::pair<std::string, JsonView>> members_;
};

}  // namespace quern::serve
