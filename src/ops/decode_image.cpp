#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/format.h"
#include "ops/image/formats.h"
#include "quern/ops/image.h"

namespace quern::ops {
namespace {

using namespace std::string_view_literals;
using image::FileBytes;

/// Null where the build found no library for it.
using ImageDecoder = Tensor (*)(FileBytes);

#ifdef QUERN_WEBP
constexpr ImageDecoder kDecodeWebp = image::decode_webp;
#else
constexpr ImageDecoder kDecodeWebp = nullptr;
#endif
#ifdef QUERN_TIFF
constexpr ImageDecoder kDecodeTiff = image::decode_tiff;
#else
constexpr ImageDecoder kDecodeTiff = nullptr;
#endif
#ifdef QUERN_JPEG2000
constexpr ImageDecoder kDecodeJpeg2000 = image::decode_jpeg2000;
#else
constexpr ImageDecoder kDecodeJpeg2000 = nullptr;
#endif

struct ImageFormat {
  std::string_view begins;  ///< '?' is any byte
  std::string_view name;
  ImageDecoder decode;
};

constexpr ImageFormat kImageFormats[] = {
    {"\x89PNG\r\n\x1a\n", "PNG", image::decode_png},
    {"\xff\xd8\xff", "JPEG", image::decode_jpeg},
    {"BM", "BMP", image::decode_bmp},
    {"P5", "PNM", image::decode_pnm},
    {"P6", "PNM", image::decode_pnm},
    {"RIFF????WEBP", "WebP", kDecodeWebp},
    {"II*\0"sv, "TIFF", kDecodeTiff},
    {"MM\0*"sv, "TIFF", kDecodeTiff},
    {"II+\0"sv, "TIFF", kDecodeTiff},
    {"MM\0+"sv, "TIFF", kDecodeTiff},
    {"\0\0\0\x0cjP  \r\n\x87\n"sv, "JPEG 2000", kDecodeJpeg2000},
    {"\xff\x4f\xff\x51", "JPEG 2000", kDecodeJpeg2000},
};

/// u8 [height, width, 1 to 4].
Tensor decode_by_content(FileBytes file) {
  const auto is_of = [&](const ImageFormat& format) {
    return file.size() >= format.begins.size() &&
           std::ranges::equal(format.begins, file.first(format.begins.size()), [](char a, int b) {
             return a == '?' || static_cast<unsigned char>(a) == b;
           });
  };
  const auto* format = std::ranges::find_if(kImageFormats, is_of);
  if (format == std::end(kImageFormats))
    fail(ErrorCode::corrupt_file,
         "decode_image: not a PNG, JPEG, BMP, PNM, WebP, TIFF or JPEG 2000 image");
  if (format->decode == nullptr)
    fail(ErrorCode::unsupported, "decode_image: {}: this build has no library for it",
         format->name);
  return format->decode(file);
}

/// The luma of ITU-R 601, in the fixed point that Pillow has.
std::uint8_t luma(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return static_cast<std::uint8_t>((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16);
}

/// `from` [height, width, channels] with each pixel written by `write(its channels, result's)`.
template <class Write>
Tensor each_pixel(const Tensor& from, std::int64_t channels, const Write& write) {
  Tensor to = Tensor::empty({from.dim(0), from.dim(1), channels}, DType::u8);
  const std::uint8_t* src = from.data<std::uint8_t>().data();
  std::uint8_t* dst = to.mutable_data<std::uint8_t>().data();
  for (std::int64_t i = from.dim(0) * from.dim(1); i > 0; --i) {
    write(src, dst);
    src += from.dim(2);
    dst += channels;
  }
  return to;
}

Tensor in_format(const Tensor& pixels, PixelFormat format) {
  const std::int64_t stored = pixels.dim(2);
  const bool is_grey = stored < 3;
  const bool has_alpha = stored % 2 == 0;
  const int green = is_grey ? 0 : 1;
  const int blue = is_grey ? 0 : 2;
  switch (format) {
    case PixelFormat::rgb:
      if (stored == 3) return pixels;
      return each_pixel(pixels, 3, [=](const std::uint8_t* src, std::uint8_t* dst) {
        dst[0] = src[0], dst[1] = src[green], dst[2] = src[blue];
      });
    case PixelFormat::bgr:
      return each_pixel(pixels, 3, [=](const std::uint8_t* src, std::uint8_t* dst) {
        dst[0] = src[blue], dst[1] = src[green], dst[2] = src[0];
      });
    case PixelFormat::grayscale:
      if (stored == 1) return pixels;
      return each_pixel(pixels, 1, [=](const std::uint8_t* src, std::uint8_t* dst) {
        dst[0] = luma(src[0], src[green], src[blue]);
      });
    case PixelFormat::rgba:
      if (stored == 4) return pixels;
      return each_pixel(pixels, 4, [=](const std::uint8_t* src, std::uint8_t* dst) {
        dst[0] = src[0], dst[1] = src[green], dst[2] = src[blue];
        dst[3] = has_alpha ? src[stored - 1] : std::uint8_t{255};
      });
  }
  fail(ErrorCode::invalid_argument, "decode_image: unknown pixel format {}",
       static_cast<int>(format));
}

}  // namespace

namespace image {

void refuse(ErrorCode code, std::string_view format, std::string_view what) {
  while (!what.empty() && (what.back() == '\n' || what.back() == ' ')) what.remove_suffix(1);
  fail(code, "decode_image: {}: {}", format, what.empty() ? "not decoded" : what);
}

void check_size(std::string_view format, std::int64_t width, std::int64_t height) {
  constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;
  if (width <= 0 || height <= 0)
    fail(ErrorCode::corrupt_file, "decode_image: {}: {} x {} pixels", format, width, height);
  if (width > kMostPixels / height)
    fail(ErrorCode::unsupported, "decode_image: {}: {} x {} pixels, at most 2^26 are read", format,
         width, height);
}

}  // namespace image

Tensor decode_image(const Tensor& bytes, PixelFormat format) {
  require(bytes.dtype() == DType::u8 && bytes.rank() == 1,
          "decode_image: expected u8 [n], got {} {}", bytes.dtype(), bytes.shape());
  const Tensor file = bytes.contiguous();
  return in_format(decode_by_content(file.data<std::uint8_t>()), format);
}

}  // namespace quern::ops
