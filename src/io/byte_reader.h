#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/error.h"

namespace quern::io {

static_assert(std::endian::native == std::endian::little, "files are read without swapping bytes");

/// Reads values in order from bytes that are not to be trusted, and never past their end. What is
/// missing or refused throws `corrupt_file` with the file's name and the offset.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string_view name)
      : bytes_(bytes), name_(name) {}

  std::string_view name() const noexcept { return name_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t left() const noexcept { return bytes_.size() - position_; }

  /// The next `count` bytes; `what` names them in the message.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    require_left(count, 1, what);
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

  /// A little-endian number.
  template <class T>
  requires std::is_arithmetic_v<T> T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  /// A string after its length in 64 bits.
  std::string read_string(std::string_view what) {
    const auto bytes = take(read<std::uint64_t>(what), what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// Throws unless `count` elements of at least `size` bytes may still follow: call it before
  /// memory is reserved for them.
  void require_left(std::uint64_t count, std::size_t size, std::string_view what) const {
    if (count > left() / size) {
      fail_at(position_, "{} takes {} x {} bytes, and {} are left", what, count, size, left());
    }
  }

  template <class... Args>
  [[noreturn]] void fail_at(std::size_t at, fmt::format_string<Args...> format,
                            Args&&... args) const {
    fail(ErrorCode::corrupt_file, "{}: {} (at byte {})", name_,
         fmt::format(format, std::forward<Args>(args)...), at);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::size_t position_ = 0;
};

}  // namespace quern::io
