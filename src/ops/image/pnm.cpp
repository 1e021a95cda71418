// Netpbm's binary formats: P5 (greys) and P6 (RGB).
#include <algorithm>
#include <string_view>

#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kPnm = "PNM";

/// The numbers of the header, each after white space and comments, and the place behind the last.
class PnmHeader {
 public:
  explicit PnmHeader(FileBytes file) : file_(file) {}

  std::int64_t number() {
    constexpr std::int64_t kMost = 1'000'000'000;
    skip_space();
    if (at_ == file_.size() || !is_digit(file_[at_]))
      refuse(ErrorCode::corrupt_file, kPnm, "the header lacks a number");
    std::int64_t value = 0;
    for (; at_ < file_.size() && is_digit(file_[at_]); ++at_) {
      value = value * 10 + (file_[at_] - '0');
      if (value > kMost) refuse(ErrorCode::corrupt_file, kPnm, "a number is too large");
    }
    return value;
  }

  FileBytes pixels() const {
    if (at_ == file_.size() || !is_space(file_[at_]))
      refuse(ErrorCode::corrupt_file, kPnm, "no white space before the pixels");
    return file_.subspan(at_ + 1);
  }

 private:
  static bool is_digit(std::uint8_t c) { return c >= '0' && c <= '9'; }
  static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  void skip_space() {
    for (; at_ < file_.size(); ++at_) {
      if (file_[at_] == '#') {
        while (at_ + 1 < file_.size() && file_[at_] != '\n') ++at_;
      } else if (!is_space(file_[at_])) {
        return;
      }
    }
  }

  FileBytes file_;
  std::size_t at_ = 2;
};

}  // namespace

Tensor decode_pnm(FileBytes file) {
  constexpr std::int64_t kTwoBytes = 65535;
  PnmHeader header(file);
  const std::int64_t width = header.number();
  const std::int64_t height = header.number();
  const std::int64_t most = header.number();
  if (most < 1 || most > kTwoBytes)
    refuse(ErrorCode::corrupt_file, kPnm, "the largest value is not in [1, 65535]");
  check_size(kPnm, width, height);
  const FileBytes stored = header.pixels();
  const std::int64_t channels = file[1] == '6' ? 3 : 1;
  const std::size_t width_of_one = most > 255 ? 2 : 1;
  const auto count = static_cast<std::size_t>(width * height * channels);
  if (stored.size() / width_of_one < count)
    refuse(ErrorCode::corrupt_file, kPnm, "the file ends before the last pixel");
  Tensor pixels = Tensor::empty({height, width, channels}, DType::u8);
  const auto to = pixels.mutable_data<std::uint8_t>();
  if (most == 255) {
    std::ranges::copy(stored.first(count), to.begin());
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t value =
          width_of_one == 1 ? stored[i] : stored[2 * i] * 256 + stored[2 * i + 1];
      to[i] = static_cast<std::uint8_t>(
          most == kTwoBytes ? value >> 8 : (std::min(value, most) * 255 + most / 2) / most);
    }
  }
  return pixels;
}

}  // namespace quern::ops::image
