#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/counted_bytes.h"
#include "core/error.h"
#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kTiff = "TIFF";
constexpr std::int64_t kMostBytesAtOnce = std::int64_t{1} << 28;  // 2^26 pixels of 4 channels
constexpr std::uint32_t kMostSamples = 8;

/// A file in memory that libtiff reads; what it complains of is kept here.
class TiffReader {
 public:
  explicit TiffReader(FileBytes file) : file_(file), tiff_(nullptr, TIFFClose) {
    const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    if (!options) refuse(ErrorCode::out_of_memory, kTiff, "libtiff has no memory for a reader");
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMostBytesAtOnce);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, this);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, this);
    tiff_.reset(TIFFClientOpenExt("image", "rm", this, on_read, on_write, on_seek, on_close,
                                  on_size, on_map, on_unmap, options.get()));
    if (!tiff_) fail();
  }

  TIFF* get() const { return tiff_.get(); }
  [[noreturn]] void fail() const { refuse(ErrorCode::corrupt_file, kTiff, message_); }

 private:
  static TiffReader& of(thandle_t handle) { return *static_cast<TiffReader*>(handle); }
  static int on_error(TIFF*, void* user, const char*, const char* format, std::va_list values) {
    auto& file = *static_cast<TiffReader*>(user);
    std::vsnprintf(file.message_, sizeof file.message_, format, values);
    return 1;
  }
  static int on_warning(TIFF*, void*, const char*, const char*, std::va_list) { return 1; }
  static tmsize_t on_read(thandle_t handle, void* to, tmsize_t count) {
    TiffReader& file = of(handle);
    const std::uint64_t left = file.file_.size() - std::min(file.at_, file.size());
    const std::uint64_t taken =
        std::min(left, static_cast<std::uint64_t>(std::max<tmsize_t>(count, 0)));
    if (taken > 0) std::memcpy(to, file.file_.data() + file.at_, taken);
    file.at_ += taken;
    return static_cast<tmsize_t>(taken);
  }
  static tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t on_seek(thandle_t handle, toff_t offset, int from) {
    TiffReader& file = of(handle);
    const std::uint64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? file.at_ : file.size();
    file.at_ = base + offset;
    return file.at_;
  }
  static int on_close(thandle_t) { return 0; }
  static toff_t on_size(thandle_t handle) { return of(handle).size(); }
  static int on_map(thandle_t, void**, toff_t*) { return 0; }
  static void on_unmap(thandle_t, void*, toff_t) {}
  std::uint64_t size() const { return file_.size(); }

  FileBytes file_;
  std::uint64_t at_ = 0;
  char message_[256] = "";
  std::unique_ptr<TIFF, decltype(&TIFFClose)> tiff_;
};

std::uint32_t tag(TIFF* tiff, std::uint32_t name) {
  std::uint16_t value = 0;
  return TIFFGetFieldDefaulted(tiff, name, &value) != 0 ? value : 0;
}

/// Codecs that few files have and much went wrong in are left alone.
void check_compression(TIFF* tiff) {
  constexpr std::uint32_t kRead[] = {
      COMPRESSION_NONE,      COMPRESSION_CCITTRLE,      COMPRESSION_CCITTFAX3,
      COMPRESSION_CCITTFAX4, COMPRESSION_LZW,           COMPRESSION_JPEG,
      COMPRESSION_PACKBITS,  COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE};
  const std::uint32_t compression = tag(tiff, TIFFTAG_COMPRESSION);
  if (std::ranges::count(kRead, compression) == 0)
    fail(ErrorCode::unsupported, "decode_image: {}: compression {} is not read", kTiff,
         compression);
}

/// The bytes that one strip or tile unpacks to, of all channels.
std::int64_t bytes_at_once(TIFF* tiff, std::uint32_t samples) {
  const std::uint64_t bytes = TIFFIsTiled(tiff) != 0 ? TIFFTileSize64(tiff) : TIFFStripSize64(tiff);
  if (bytes == 0 || bytes > static_cast<std::uint64_t>(kMostBytesAtOnce) / samples)
    refuse(ErrorCode::unsupported, kTiff, "a strip or tile is too large");
  return static_cast<std::int64_t>(bytes) * samples;
}

/// Each strip or tile must lie in the file: libtiff takes one that does not for blank.
void check_parts(TIFF* tiff, std::uint64_t size) {
  const std::uint32_t count =
      TIFFIsTiled(tiff) != 0 ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t offset = TIFFGetStrileOffset(tiff, i);
    const std::uint64_t bytes = TIFFGetStrileByteCount(tiff, i);
    if (bytes == 0 || offset > size || bytes > size - offset)
      fail(ErrorCode::corrupt_file, "decode_image: {}: strip or tile {} of {} is not in the file",
           kTiff, i, count);
  }
}

/// `stored` with its first row at the top and its first column at the left.
Tensor upright(const Tensor& stored, std::uint32_t orientation) {
  const auto reversed = [](const Tensor& t, int axis) {
    return t.slice(axis, -1, -t.dim(axis) - 1, -1);
  };
  switch (orientation) {
    case ORIENTATION_TOPRIGHT:
      return reversed(stored, 1);
    case ORIENTATION_BOTRIGHT:
      return reversed(reversed(stored, 0), 1);
    case ORIENTATION_BOTLEFT:
      return reversed(stored, 0);
    case ORIENTATION_LEFTTOP:
      return stored.transpose(0, 1);
    case ORIENTATION_RIGHTTOP:
      return reversed(stored.transpose(0, 1), 1);
    case ORIENTATION_RIGHTBOT:
      return reversed(reversed(stored.transpose(0, 1), 0), 1);
    case ORIENTATION_LEFTBOT:
      return reversed(stored.transpose(0, 1), 0);
    default:
      return stored;
  }
}

/// Whether the file has an alpha channel, which from here on does not multiply the colours.
bool take_alpha(TIFF* tiff) {
  std::uint16_t count = 0;
  std::uint16_t* kinds = nullptr;
  std::uint16_t changed[kMostSamples] = {};
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) == 0 || count == 0 ||
      count > std::size(changed))
    return false;
  const bool has_alpha = kinds[0] == EXTRASAMPLE_ASSOCALPHA || kinds[0] == EXTRASAMPLE_UNASSALPHA;
  std::copy_n(kinds, count, changed);
  if (has_alpha) changed[0] = EXTRASAMPLE_ASSOCALPHA;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, changed);
  return has_alpha;
}

}  // namespace

Tensor decode_tiff(FileBytes bytes) {
  const TiffReader file(bytes);
  TIFF* const tiff = file.get();
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) == 0 ||
      TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height) == 0)
    refuse(ErrorCode::corrupt_file, kTiff, "no width or no height");
  check_size(kTiff, width, height);
  check_compression(tiff);
  const std::uint32_t samples = tag(tiff, TIFFTAG_SAMPLESPERPIXEL);
  if (samples == 0 || samples > kMostSamples)
    refuse(ErrorCode::unsupported, kTiff, "more than 8 channels");
  const std::int64_t at_once = bytes_at_once(tiff, samples);
  check_parts(tiff, bytes.size());
  const std::uint32_t orientation = tag(tiff, TIFFTAG_ORIENTATION);
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  const bool has_alpha = take_alpha(tiff);
  const CountedBytes scratch(static_cast<std::size_t>(2 * at_once));
  Tensor pixels = Tensor::zeros({height, width, 4}, DType::u8);
  char reason[1024] = "";
  if (TIFFRGBAImageOK(tiff, reason) == 0) refuse(ErrorCode::unsupported, kTiff, reason);
  auto* raster = static_cast<std::uint32_t*>(pixels.mutable_raw());  // of bytes R, G, B, A
  if (TIFFReadRGBAImageOriented(tiff, width, height, raster, ORIENTATION_TOPLEFT, 1) == 0)
    file.fail();
  return upright(has_alpha ? pixels : pixels.slice(2, 0, 3), orientation).contiguous();
}

}  // namespace quern::ops::image
