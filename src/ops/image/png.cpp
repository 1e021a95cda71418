#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kPng = "PNG";

/// A file that libpng reads; where the library finds a fault, it jumps out of `runs`.
class PngReader {
 public:
  explicit PngReader(FileBytes file)
      : left_(file),
        png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning)) {
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      refuse(ErrorCode::out_of_memory, kPng, "libpng has no memory for a reader");
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Asks for 8 bits a channel, palettes and transparent colours spelt out.
  void read_header() {
    run([](PngReader& file) {
      constexpr png_uint_32 kAny = 0x7fffffff;  // what counts is width times height
      png_set_read_fn(file.png_, &file, on_read);
      png_set_user_limits(file.png_, kAny, kAny);
      png_set_keep_unknown_chunks(file.png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_read_info(file.png_, file.info_);
    });
  }
  std::int64_t width() const { return png_get_image_width(png_, info_); }
  std::int64_t height() const { return png_get_image_height(png_, info_); }
  std::int64_t begin_pixels() {
    run([](PngReader& file) {
      png_set_expand(file.png_);
      png_set_strip_16(file.png_);
      png_set_interlace_handling(file.png_);
      png_read_update_info(file.png_, file.info_);
    });
    return png_get_channels(png_, info_);
  }
  void read_pixels(std::vector<std::uint8_t*>& rows) {
    rows_ = rows.data();
    run([](PngReader& file) { png_read_image(file.png_, file.rows_); });
  }

 private:
  void run(void (*step)(PngReader&)) {
    if (!runs(step)) refuse(ErrorCode::corrupt_file, kPng, message_);
  }
  bool runs(void (*step)(PngReader&)) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    step(*this);
    return true;
  }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& file = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(file.message_, sizeof file.message_, "%s", message);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep to, std::size_t count) {
    auto& file = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > file.left_.size()) png_error(png, "the file ends too early");
    std::memcpy(to, file.left_.data(), count);
    file.left_ = file.left_.subspan(count);
  }

  FileBytes left_;
  char message_[160] = "";
  png_structp png_;
  png_infop info_ = nullptr;
  std::uint8_t** rows_ = nullptr;
};

}  // namespace

Tensor decode_png(FileBytes bytes) {
  constexpr std::int64_t kMostPixelsOfAByte = 1032 * 8;  // deflate's best, of one bit each
  PngReader file(bytes);
  file.read_header();
  check_size(kPng, file.width(), file.height());
  if (file.width() * file.height() / kMostPixelsOfAByte > std::ssize(bytes))
    fail(ErrorCode::corrupt_file, "decode_image: {}: {} x {} pixels in {} bytes", kPng,
         file.width(), file.height(), bytes.size());
  const std::int64_t channels = file.begin_pixels();
  Tensor pixels = Tensor::empty({file.height(), file.width(), channels}, DType::u8);
  std::uint8_t* const first = pixels.mutable_data<std::uint8_t>().data();
  std::vector<std::uint8_t*> rows(static_cast<std::size_t>(file.height()));
  std::ranges::generate(
      rows, [&, y = std::int64_t{0}]() mutable { return first + file.width() * channels * y++; });
  file.read_pixels(rows);
  return pixels;
}

}  // namespace quern::ops::image
