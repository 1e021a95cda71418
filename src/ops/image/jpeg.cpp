#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <string_view>

// Takes what the two above declare.
#include <jerror.h>
#include <jpeglib.h>

#include "core/counted_bytes.h"
#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kJpeg = "JPEG";

/// A file that libjpeg-turbo reads; where the library finds a fault, it jumps out of `runs`.
class JpegReader {
 public:
  explicit JpegReader(FileBytes file) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    source_.next_input_byte = file.data();
    source_.bytes_in_buffer = file.size();
    source_.init_source = source_.term_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = on_end;
    source_.skip_input_data = on_skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  void read_header() {
    run([](JpegReader& file) {
      jpeg_create_decompress(&file.info_);
      file.info_.src = &file.source_;
      file.info_.progress = &file.progress_;
      jpeg_read_header(&file.info_, TRUE);
    });
  }
  std::int64_t width() const { return info_.image_width; }
  std::int64_t height() const { return info_.image_height; }
  /// Of the library, for coefficients that several scans add to.
  std::size_t scratch_bytes() {
    constexpr std::size_t kBlocks = std::size_t{1} << 25;  // beyond the image's edges
    const auto pixels = static_cast<std::size_t>(width() * height());
    const std::size_t bytes = jpeg_has_multiple_scans(&info_) != FALSE ? pixels * 8 : 0;
    info_.mem->max_memory_to_use = static_cast<long>(bytes + kBlocks);
    return bytes;
  }

  std::int64_t begin_pixels() {
    const bool is_grey = info_.jpeg_color_space == JCS_GRAYSCALE;
    const bool has_black = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    if (info_.jpeg_color_space == JCS_UNKNOWN)
      refuse(ErrorCode::unsupported, kJpeg, "its number of channels has no colours");
    info_.out_color_space = is_grey ? JCS_GRAYSCALE : has_black ? JCS_CMYK : JCS_RGB;
    run([](JpegReader& file) { jpeg_start_decompress(&file.info_); });
    return info_.output_components;
  }
  void read_pixels(std::uint8_t* first) {
    next_ = first;
    run([](JpegReader& file) {
      const std::size_t row = std::size_t{file.info_.output_width} *
                              static_cast<std::size_t>(file.info_.output_components);
      while (file.info_.output_scanline < file.info_.output_height)
        file.next_ += row * jpeg_read_scanlines(&file.info_, &file.next_, 1);
    });
  }

 private:
  void run(void (*step)(JpegReader&)) {
    if (!runs(step)) refuse(ErrorCode::corrupt_file, kJpeg, message_);
  }
  bool runs(void (*step)(JpegReader&)) {
    if (setjmp(jump_) != 0) return false;
    step(*this);
    return true;
  }

  static JpegReader& of(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }
  [[noreturn]] static void on_error(j_common_ptr info) {
    JpegReader& file = of(info);
    (*info->err->format_message)(info, file.message_);
    std::longjmp(file.jump_, 1);
  }
  [[noreturn]] static void end(j_common_ptr info, const char* message) {
    JpegReader& file = of(info);
    std::snprintf(file.message_, sizeof file.message_, "%s", message);
    std::longjmp(file.jump_, 1);
  }
  /// Warnings of pixels that are lost are errors.
  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_MUST_RESYNC:
        on_error(info);
      default:
        break;
    }
  }
  static boolean on_end(j_decompress_ptr info) {
    end(reinterpret_cast<j_common_ptr>(info), "the file ends too early");
  }
  static void on_skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer) on_end(info);
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
  }
  /// A scan of a few bytes takes a pass over all coefficients.
  static void on_progress(j_common_ptr info) {
    constexpr int kMostScans = 100;
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans)
      end(info, "more than 100 scans");
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = "";
  std::uint8_t* next_ = nullptr;
};

/// RGB of `cmyk` [height, width, 4] as Adobe's programs store it, inverted.
Tensor rgb_of(const Tensor& cmyk) {
  Tensor rgb = Tensor::empty({cmyk.dim(0), cmyk.dim(1), 3}, DType::u8);
  const auto from = cmyk.data<std::uint8_t>();
  const auto to = rgb.mutable_data<std::uint8_t>();
  for (std::size_t i = 0; 3 * i < to.size(); ++i) {
    const unsigned black = from[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned product = (255U - from[4 * i + c]) * black + 128;
      to[3 * i + c] = static_cast<std::uint8_t>(black - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}

}  // namespace

Tensor decode_jpeg(FileBytes bytes) {
  JpegReader file(bytes);
  file.read_header();
  check_size(kJpeg, file.width(), file.height());
  const CountedBytes scratch(file.scratch_bytes());
  const std::int64_t channels = file.begin_pixels();
  Tensor pixels = Tensor::empty({file.height(), file.width(), channels}, DType::u8);
  file.read_pixels(pixels.mutable_data<std::uint8_t>().data());
  return channels == 4 ? rgb_of(pixels) : pixels;
}

}  // namespace quern::ops::image
