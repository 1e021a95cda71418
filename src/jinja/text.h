#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern::jinja {

/// Text of which each byte is known to be the template's own or to come from the data that it is
/// rendered with. What is made of texts keeps that, byte by byte.
class Text {
 public:
  Text() = default;
  explicit Text(std::string own) : bytes_(std::move(own)) {}
  static Text data(std::string bytes);

  const std::string& bytes() const noexcept { return bytes_; }
  std::string_view view() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  bool has_data() const noexcept { return has_data_; }
  bool is_data(std::size_t at) const noexcept { return has_data_ && marks_[at] != 0; }

  void append(std::string_view own) { append(own, false); }
  void append(std::string_view bytes, bool data);
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, std::size_t begin, std::size_t count);
  Text substr(std::size_t begin, std::size_t count = std::string::npos) const;
  /// `bytes`, made of this text in a way that loses which byte came from where: all data, where
  /// this has any.
  Text remade(std::string bytes) const;

  /// Whether it is HTML already, which what is joined with it becomes: a `Markup`.
  bool safe = false;

 private:
  std::string bytes_;
  std::string marks_;  ///< a byte for each: 1 where it is data; empty where none is
  bool has_data_ = false;
};

}  // namespace quern::jinja
