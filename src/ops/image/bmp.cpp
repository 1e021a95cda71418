// Windows and OS/2 bitmaps without compression.
#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <vector>

#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kBmp = "BMP";

/// Little-endian numbers at places in the file.
class BmpBytes {
 public:
  explicit BmpBytes(FileBytes file) : file_(file) {}

  std::uint32_t u16(std::size_t at) const { return number(at, 2); }
  std::uint32_t u32(std::size_t at) const { return number(at, 4); }
  FileBytes range(std::uint64_t at, std::uint64_t size) const {
    if (at > file_.size() || size > file_.size() - at)
      refuse(ErrorCode::corrupt_file, kBmp, "the file ends too early");
    return file_.subspan(at, size);
  }

 private:
  std::uint32_t number(std::size_t at, std::size_t size) const {
    const FileBytes bytes = range(at, size);
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint32_t{bytes[i]} << (8 * i);
    return value;
  }

  FileBytes file_;
};

/// The bits of a pixel that hold one channel, as 0 to 255.
class BmpMask {
 public:
  BmpMask() = default;
  explicit BmpMask(std::uint32_t mask)
      : shift_(mask == 0 ? 0 : std::countr_zero(mask)), most_(mask >> shift_) {
    if ((most_ & (most_ + 1)) != 0)
      refuse(ErrorCode::corrupt_file, kBmp, "a channel's bits are not side by side");
  }
  bool is_empty() const { return most_ == 0; }
  std::uint8_t of(std::uint32_t pixel) const {
    if (most_ == 0) return 0;
    return static_cast<std::uint8_t>(std::uint64_t{(pixel >> shift_) & most_} * 255 / most_);
  }

 private:
  int shift_ = 0;
  std::uint32_t most_ = 0;
};

struct BmpHeader {
  std::int64_t width = 0, height = 0;
  bool is_top_down = false;
  std::uint32_t bits = 0;  ///< of a pixel
  std::array<BmpMask, 4> masks;
  std::vector<std::array<std::uint8_t, 3>> palette;
  FileBytes pixels;
  std::int64_t row_bytes = 0;
};

constexpr std::size_t kFileHeader = 14;
constexpr std::uint32_t kCoreHeader = 12;
constexpr std::uint32_t kInfoHeader = 40;

void read_masks(const BmpBytes& file, std::uint32_t header, std::uint32_t compression,
                BmpHeader& image) {
  constexpr std::uint32_t kBitFields = 3;
  constexpr std::uint32_t kWithAlpha = 56;  // the length of the first header with its mask
  if (compression == kBitFields) {
    for (std::size_t i = 0; i < 3; ++i)
      image.masks[i] = BmpMask(file.u32(kFileHeader + kInfoHeader + 4 * i));
    if (header >= kWithAlpha) image.masks[3] = BmpMask(file.u32(kFileHeader + kInfoHeader + 12));
  } else if (image.bits == 16) {
    image.masks = {BmpMask(0x7c00), BmpMask(0x03e0), BmpMask(0x001f), BmpMask()};
  } else {
    image.masks = {BmpMask(0xff0000), BmpMask(0x00ff00), BmpMask(0x0000ff), BmpMask()};
  }
}

void read_palette(const BmpBytes& file, std::uint32_t header, std::uint32_t used,
                  std::uint32_t pixels_at, BmpHeader& image) {
  const std::size_t entry = header == kCoreHeader ? 3 : 4;
  const std::size_t most = std::size_t{1} << image.bits;
  const std::size_t begin = kFileHeader + header;
  std::size_t count = used == 0 ? most : std::min<std::size_t>(used, most);
  if (pixels_at >= begin) count = std::min(count, (pixels_at - begin) / entry);
  const FileBytes stored = file.range(begin, count * entry);
  image.palette.assign(most, {0, 0, 0});
  for (std::size_t i = 0; i < count; ++i)
    image.palette[i] = {stored[i * entry + 2], stored[i * entry + 1], stored[i * entry]};
}

BmpHeader read_bmp_header(FileBytes bytes) {
  const BmpBytes file(bytes);
  BmpHeader image;
  const std::uint32_t pixels_at = file.u32(10);
  const std::uint32_t header = file.u32(14);
  std::uint32_t compression = 0;
  std::uint32_t used = 0;
  if (header == kCoreHeader) {
    image.width = file.u16(18);
    image.height = file.u16(20);
    image.bits = file.u16(24);
  } else if (header >= kInfoHeader && header <= 124) {
    image.width = std::bit_cast<std::int32_t>(file.u32(18));
    const std::int64_t height = std::bit_cast<std::int32_t>(file.u32(22));
    image.is_top_down = height < 0;
    image.height = image.is_top_down ? -height : height;
    image.bits = file.u16(28);
    compression = file.u32(30);
    used = file.u32(46);
  } else {
    refuse(ErrorCode::corrupt_file, kBmp, "a header of unknown length");
  }
  check_size(kBmp, image.width, image.height);
  const bool has_palette = image.bits == 1 || image.bits == 4 || image.bits == 8;
  const bool has_masks = image.bits == 16 || image.bits == 32;
  if (!has_palette && !has_masks && image.bits != 24)
    refuse(ErrorCode::corrupt_file, kBmp, "a pixel has 1, 4, 8, 16, 24 or 32 bits");
  if (compression != 0 && !(compression == 3 && has_masks))
    refuse(ErrorCode::unsupported, kBmp, "compressed pixels are not read");
  if (has_palette) {
    read_palette(file, header, used, pixels_at, image);
  } else {
    read_masks(file, header, compression, image);
  }
  image.row_bytes = (image.width * image.bits + 31) / 32 * 4;
  image.pixels = file.range(pixels_at, static_cast<std::uint64_t>(image.row_bytes * image.height));
  return image;
}

void unpack_bmp_row(const BmpHeader& image, const std::uint8_t* src, std::uint8_t* dst,
                    std::int64_t channels) {
  for (std::int64_t x = 0; x < image.width; ++x, dst += channels) {
    if (image.bits <= 8) {
      const std::int64_t bit = x * image.bits;
      const auto index =
          (std::uint32_t{src[bit / 8]} >> (8 - image.bits - bit % 8)) & ((1U << image.bits) - 1);
      std::ranges::copy(image.palette[index], dst);
      continue;
    }
    const std::uint8_t* from = src + x * image.bits / 8;
    std::uint32_t pixel = 0;
    for (std::uint32_t i = 0; i < image.bits / 8; ++i) pixel |= std::uint32_t{from[i]} << (8 * i);
    for (std::int64_t c = 0; c < channels; ++c)
      dst[c] = image.masks[static_cast<std::size_t>(c)].of(pixel);
  }
}

}  // namespace

Tensor decode_bmp(FileBytes file) {
  const BmpHeader image = read_bmp_header(file);
  const std::int64_t channels = image.masks[3].is_empty() ? 3 : 4;
  Tensor pixels = Tensor::empty({image.height, image.width, channels}, DType::u8);
  std::uint8_t* to = pixels.mutable_data<std::uint8_t>().data();
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::int64_t row = image.is_top_down ? y : image.height - 1 - y;
    unpack_bmp_row(image, image.pixels.data() + row * image.row_bytes,
                   to + y * image.width * channels, channels);
  }
  return pixels;
}

}  // namespace quern::ops::image
