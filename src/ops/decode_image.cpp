#include <cstdlib>
#include <limits>
#include <memory>

#include "core/error.h"
#include "core/format.h"
#include "quern/ops/image.h"

namespace {

/// No image of 2^26 pixels needs more at once: a file that unpacks to more is malformed.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

/// All zeros, which pixels stay that a file cut short does not have.
void* bounded_malloc(std::size_t size) {
  return size > kMostBytes ? nullptr : std::calloc(1, size);
}
void* bounded_realloc(void* data, std::size_t size) {
  return size > kMostBytes ? nullptr : std::realloc(data, size);
}

}  // namespace

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_MALLOC(size) bounded_malloc(size)
#define STBI_REALLOC(data, size) bounded_realloc(data, size)
#define STBI_FREE(data) std::free(data)
#include <stb_image.h>

namespace quern::ops {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;
constexpr std::int64_t kMostPixelsOfAByte = 1032 * 8;  // deflate's best, of one bit each

/// The luma of `rgb` [height, width, 3], in the fixed point that Pillow has.
Tensor luma(const Tensor& rgb) {
  Tensor grey = Tensor::empty({rgb.dim(0), rgb.dim(1), 1}, DType::u8);
  const auto from = rgb.data<std::uint8_t>();
  const auto to = grey.mutable_data<std::uint8_t>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const auto channel = [&](std::size_t c) { return std::uint32_t{from[3 * i + c]}; };
    to[i] = static_cast<std::uint8_t>(
        (19595 * channel(0) + 38470 * channel(1) + 7471 * channel(2) + 0x8000) >> 16);
  }
  return grey;
}

/// `rgb` with each pixel's channels the other way round.
Tensor reversed(const Tensor& rgb) {
  Tensor bgr = Tensor::empty(rgb.shape(), DType::u8);
  const auto from = rgb.data<std::uint8_t>();
  const auto to = bgr.mutable_data<std::uint8_t>();
  for (std::size_t i = 0; i + 2 < to.size(); i += 3)
    for (std::size_t c = 0; c < 3; ++c) to[i + c] = from[i + 2 - c];
  return bgr;
}

/// u8 [height, width, channels], of 3 or 4 channels.
Tensor decode(std::span<const std::uint8_t> bytes, int channels) {
  require(bytes.size() <= std::numeric_limits<int>::max(), "decode_image: {} bytes, at most 2^31",
          bytes.size());
  const int size = static_cast<int>(bytes.size());
  int width = 0;
  int height = 0;
  int stored = 0;
  const auto refuse = [] {
    fail(ErrorCode::corrupt_file, "decode_image: not a PNG, JPEG, BMP or PNM image: {}",
         stbi_failure_reason());
  };
  if (stbi_info_from_memory(bytes.data(), size, &width, &height, &stored) == 0) refuse();
  const std::int64_t count = std::int64_t{width} * height;
  if (count > size * kMostPixelsOfAByte)
    fail(ErrorCode::corrupt_file, "decode_image: {} x {} pixels in {} bytes", width, height, size);
  if (count > kMostPixels)
    fail(ErrorCode::unsupported, "decode_image: {} x {} pixels, at most 2^26 are read", width,
         height);
  constexpr std::int64_t kLeastHeader = 9;  // "P5 1 1 1" and a new line
  const bool is_pnm = bytes[0] == 'P';
  const int channel_bytes = stbi_is_16_bit_from_memory(bytes.data(), size) != 0 ? 2 : 1;
  if (is_pnm && count * stored * channel_bytes + kLeastHeader > size)
    fail(ErrorCode::corrupt_file, "decode_image: a PNM image of {} x {} pixels in {} bytes", width,
         height, size);
  const std::shared_ptr<unsigned char> pixels(
      stbi_load_from_memory(bytes.data(), size, &width, &height, &stored, channels),
      stbi_image_free);
  if (!pixels) refuse();
  const Shape shape{height, width, channels};
  return Tensor::view_of(pixels.get(), static_cast<std::size_t>(shape.numel()), DType::u8, shape,
                         pixels);
}

}  // namespace

Tensor decode_image(const Tensor& bytes, PixelFormat format) {
  require(bytes.dtype() == DType::u8 && bytes.rank() == 1,
          "decode_image: expected u8 [n], got {} {}", bytes.dtype(), bytes.shape());
  const Tensor file = bytes.contiguous();
  const Tensor pixels = decode(file.data<std::uint8_t>(), format == PixelFormat::rgba ? 4 : 3);
  switch (format) {
    case PixelFormat::bgr:
      return reversed(pixels);
    case PixelFormat::grayscale:
      return luma(pixels);
    default:
      return pixels;
  }
}

}  // namespace quern::ops
