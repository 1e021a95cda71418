#include <openjpeg.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/counted_bytes.h"
#include "core/error.h"
#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kJpeg2000 = "JPEG 2000";

template <auto destroy>
struct Jpeg2000Free {
  template <class T>
  void operator()(T* object) const {
    destroy(object);
  }
};

/// A file that OpenJPEG reads.
class Jpeg2000Reader {
 public:
  explicit Jpeg2000Reader(FileBytes file)
      : file_(file), stream_(opj_stream_default_create(OPJ_TRUE)) {
    const bool is_boxed = file[0] == 0;
    codec_.reset(opj_create_decompress(is_boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K));
    if (!stream_ || !codec_)
      refuse(ErrorCode::out_of_memory, kJpeg2000, "OpenJPEG has no memory for a reader");
    opj_stream_set_user_data(stream_.get(), this, nullptr);
    opj_stream_set_user_data_length(stream_.get(), file.size());
    opj_stream_set_read_function(stream_.get(), on_read);
    opj_stream_set_skip_function(stream_.get(), on_skip);
    opj_stream_set_seek_function(stream_.get(), on_seek);
    const auto ignore = [](const char*, void*) {};
    opj_set_info_handler(codec_.get(), ignore, nullptr);
    opj_set_warning_handler(codec_.get(), ignore, nullptr);
    opj_set_error_handler(codec_.get(), on_error, this);
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    opj_image_t* image = nullptr;
    const bool is_read = opj_setup_decoder(codec_.get(), &parameters) != OPJ_FALSE &&
                         opj_read_header(stream_.get(), codec_.get(), &image) != OPJ_FALSE;
    image_.reset(image);
    if (!is_read) fail();
  }

  opj_image_t& image() const { return *image_; }
  void decode() {
    if (opj_decode(codec_.get(), stream_.get(), image_.get()) == OPJ_FALSE) fail();
  }

 private:
  [[noreturn]] void fail() const { refuse(ErrorCode::corrupt_file, kJpeg2000, message_); }
  static Jpeg2000Reader& of(void* user) { return *static_cast<Jpeg2000Reader*>(user); }
  static void on_error(const char* message, void* user) {
    Jpeg2000Reader& file = of(user);
    std::snprintf(file.message_, sizeof file.message_, "%s", message);
  }
  static OPJ_SIZE_T on_read(void* to, OPJ_SIZE_T count, void* user) {
    Jpeg2000Reader& file = of(user);
    const std::size_t taken = std::min<std::size_t>(count, file.file_.size() - file.at_);
    if (taken == 0) return static_cast<OPJ_SIZE_T>(-1);
    std::memcpy(to, file.file_.data() + file.at_, taken);
    file.at_ += taken;
    return taken;
  }
  static OPJ_OFF_T on_skip(OPJ_OFF_T count, void* user) {
    Jpeg2000Reader& file = of(user);
    if (count < 0) return -1;
    const std::size_t left = file.file_.size() - file.at_;
    const std::size_t taken = std::min(left, static_cast<std::size_t>(count));
    file.at_ += taken;
    return taken == 0 && count > 0 ? -1 : static_cast<OPJ_OFF_T>(taken);
  }
  static OPJ_BOOL on_seek(OPJ_OFF_T place, void* user) {
    Jpeg2000Reader& file = of(user);
    if (place < 0 || static_cast<std::size_t>(place) > file.file_.size()) return OPJ_FALSE;
    file.at_ = static_cast<std::size_t>(place);
    return OPJ_TRUE;
  }

  FileBytes file_;
  std::size_t at_ = 0;
  char message_[256] = "";
  std::unique_ptr<opj_stream_t, Jpeg2000Free<opj_stream_destroy>> stream_;
  std::unique_ptr<opj_codec_t, Jpeg2000Free<opj_destroy_codec>> codec_;
  std::unique_ptr<opj_image_t, Jpeg2000Free<opj_image_destroy>> image_;
};

/// One component's values as 0 to 255, at the places of the image's grid.
class Jpeg2000Plane {
 public:
  Jpeg2000Plane(const opj_image_t& image, const opj_image_comp_t& plane)
      : plane_(plane), offset_(plane.sgnd != 0 ? 1 << (plane.prec - 1) : 0) {
    const auto size = [](std::uint32_t from, std::uint32_t to, std::uint32_t step) {
      return (std::uint64_t{to} + step - 1) / step - (std::uint64_t{from} + step - 1) / step;
    };
    if (plane.data == nullptr || plane.prec < 1 || plane.prec > 31 || plane.dx < 1 ||
        plane.dy < 1 || plane.w < 1 || plane.h < 1 ||
        size(image.x0, image.x1, plane.dx) != plane.w ||
        size(image.y0, image.y1, plane.dy) != plane.h)
      refuse(ErrorCode::corrupt_file, kJpeg2000, "a component does not fit the image");
  }

  std::uint8_t at(std::uint32_t y, std::uint32_t x) const {
    const std::size_t row = std::min(y / plane_.dy, plane_.h - 1);
    const std::size_t column = std::min(x / plane_.dx, plane_.w - 1);
    const std::int64_t value = std::int64_t{plane_.data[row * plane_.w + column]} + offset_;
    const std::int64_t scaled =
        plane_.prec >= 8 ? value >> (plane_.prec - 8) : value * (1 << (8 - plane_.prec));
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(scaled, 0, 255));
  }

 private:
  const opj_image_comp_t& plane_;
  std::int64_t offset_;
};

/// From luma and two differences of colours to RGB, in place (JFIF's equations).
void to_rgb(std::uint8_t* pixel) {
  const double luma = pixel[0];
  const double blue = pixel[1] - 128.0;
  const double red = pixel[2] - 128.0;
  const auto rounded = [](double value) {
    return static_cast<std::uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
  };
  pixel[0] = rounded(luma + 1.402 * red);
  pixel[1] = rounded(luma - 0.344136 * blue - 0.714136 * red);
  pixel[2] = rounded(luma + 1.772 * blue);
}

}  // namespace

Tensor decode_jpeg2000(FileBytes bytes) {
  check_jpeg2000(bytes);
  Jpeg2000Reader file(bytes);
  const std::int64_t width = std::int64_t{file.image().x1} - file.image().x0;
  const std::int64_t height = std::int64_t{file.image().y1} - file.image().y0;
  check_size(kJpeg2000, width, height);
  const CountedBytes scratch(static_cast<std::size_t>(width * height) * 8 * file.image().numcomps);
  file.decode();
  const opj_image_t& image = file.image();
  if (image.numcomps < 1 || image.numcomps > 4)
    fail(ErrorCode::unsupported, "decode_image: {}: {} components, at most 4 are read", kJpeg2000,
         image.numcomps);
  const auto channels = static_cast<std::int64_t>(image.numcomps);
  Tensor pixels = Tensor::empty({height, width, channels}, DType::u8);
  std::uint8_t* to = pixels.mutable_data<std::uint8_t>().data();
  for (std::int64_t c = 0; c < channels; ++c) {
    const Jpeg2000Plane plane(image, image.comps[c]);
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x)
        to[(y * width + x) * channels + c] =
            plane.at(static_cast<std::uint32_t>(y), static_cast<std::uint32_t>(x));
    }
  }
  if (channels >= 3 && image.color_space == OPJ_CLRSPC_SYCC) {
    for (std::int64_t i = 0; i < width * height; ++i) to_rgb(to + i * channels);
  }
  return pixels;
}

}  // namespace quern::ops::image
