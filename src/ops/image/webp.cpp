#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "core/counted_bytes.h"
#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kWebp = "WebP";

/// The first image of a file: all of its canvas, or of an animation a part.
class WebpFrame {
 public:
  explicit WebpFrame(FileBytes file) : demuxer_(nullptr, WebPDemuxDelete) {
    const WebPData data{file.data(), file.size()};
    demuxer_.reset(WebPDemux(&data));
    if (!demuxer_ || WebPDemuxGetFrame(demuxer_.get(), 1, &frame_) == 0)
      refuse(ErrorCode::corrupt_file, kWebp, "its chunks do not hold an image");
  }
  ~WebpFrame() { WebPDemuxReleaseIterator(&frame_); }
  WebpFrame(const WebpFrame&) = delete;
  WebpFrame& operator=(const WebpFrame&) = delete;

  const WebPIterator& operator*() const { return frame_; }
  std::int64_t canvas(WebPFormatFeature side) const { return WebPDemuxGetI(demuxer_.get(), side); }

 private:
  std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer_;
  WebPIterator frame_{};
};

}  // namespace

Tensor decode_webp(FileBytes file) {
  const WebpFrame first(file);
  const WebPIterator& frame = *first;
  const std::int64_t width = first.canvas(WEBP_FF_CANVAS_WIDTH);
  const std::int64_t height = first.canvas(WEBP_FF_CANVAS_HEIGHT);
  check_size(kWebp, width, height);
  WebPBitstreamFeatures features;
  const bool is_read =
      WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) == VP8_STATUS_OK;
  const bool fits = frame.x_offset >= 0 && frame.y_offset >= 0 &&
                    frame.width <= width - frame.x_offset &&
                    frame.height <= height - frame.y_offset;
  if (!is_read || !fits || features.width != frame.width || features.height != frame.height)
    refuse(ErrorCode::corrupt_file, kWebp, "its headers contradict one another");
  const bool is_whole = frame.width == width && frame.height == height;
  const std::int64_t channels = is_whole && features.has_alpha == 0 ? 3 : 4;
  const CountedBytes scratch(static_cast<std::size_t>(width * height) * 5);
  Tensor pixels = is_whole ? Tensor::empty({height, width, channels}, DType::u8)
                           : Tensor::zeros({height, width, channels}, DType::u8);
  const auto to = pixels.mutable_data<std::uint8_t>().subspan(
      static_cast<std::size_t>((frame.y_offset * width + frame.x_offset) * channels));
  const auto decode = channels == 3 ? WebPDecodeRGBInto : WebPDecodeRGBAInto;
  if (decode(frame.fragment.bytes, frame.fragment.size, to.data(), to.size(),
             static_cast<int>(width * channels)) == nullptr)
    refuse(ErrorCode::corrupt_file, kWebp, "its pixels are damaged or cut short");
  return pixels;
}

}  // namespace quern::ops::image
