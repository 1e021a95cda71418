#include "cli/image.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>

#include "quern/error.h"
#include "quern/ops.h"

namespace quern::cli {
namespace {

/// Where an image's axes are in an input.
struct ImageLayout {
  bool channels_last = false;
  std::int64_t channels = 0;
  std::int64_t height = -1;  // negative: the image's own
  std::int64_t width = -1;
};

std::string text_of(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims)
    text += (text.empty() ? "" : ", ") + (dim < 0 ? "?" : std::to_string(dim));
  return "[" + text + "]";
}

ImageLayout layout_of(const onnx::ValueInfo& input) {
  const auto counts_channels = [](std::int64_t dim) { return dim == 1 || dim == 3 || dim == 4; };
  const auto& dims = input.dims;
  const bool has_batch_of_one = dims.size() == 4 && (dims[0] == 1 || dims[0] < 0);
  const bool takes_pixels =
      !input.has_dtype || input.dtype == DType::u8 || is_floating(input.dtype);
  if (has_batch_of_one && takes_pixels && counts_channels(dims[1]))
    return {false, dims[1], dims[2], dims[3]};
  if (has_batch_of_one && takes_pixels && counts_channels(dims[3]))
    return {true, dims[3], dims[1], dims[2]};
  throw Error(ErrorCode::invalid_argument,
              "run: input \"" + input.name + "\" is " + std::string(to_string(input.dtype)) + " " +
                  text_of(dims) +
                  ", expected floats or u8 [1, channels, height, width] or [1, height, width, "
                  "channels] of 1, 3 or 4 channels to take an image");
}

/// u8 [height, width, channels].
Tensor decode(const std::string& path, std::int64_t channels) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::not_found, "run: cannot open image \"" + path + "\"");
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file),
                                        std::istreambuf_iterator<char>()};
  try {
    return ops::decode_image(Tensor::borrow(std::span(bytes), {std::ssize(bytes)}),
                             channels == 1   ? ops::PixelFormat::grayscale
                             : channels == 3 ? ops::PixelFormat::rgb
                                             : ops::PixelFormat::rgba);
  } catch (const Error& error) {
    throw Error(error.code(), "run: image \"" + path + "\": " + error.what());
  }
}

/// `values`, one for all channels or one for each, to broadcast over [height, width, channels].
Tensor by_channel(const char* option, const std::vector<float>& values, std::int64_t channels) {
  const auto count = static_cast<std::int64_t>(values.size());
  if (count != 1 && count != channels)
    throw Error(ErrorCode::invalid_argument, std::string("run: ") + option + " has " +
                                                 std::to_string(count) + " numbers, the input " +
                                                 std::to_string(channels) + " channels");
  return Tensor::from(values, {count});
}

}  // namespace

bool is_image(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kExtensions[] = {".png", ".jpg",  ".jpeg", ".bmp",  ".pgm", ".ppm",
                                              ".pnm", ".webp", ".tif",  ".tiff", ".jp2", ".j2k"};
  return std::ranges::count(kExtensions, extension) > 0;
}

Tensor read_image(const std::string& path, const onnx::ValueInfo& input, const PixelScale& scale) {
  const ImageLayout layout = layout_of(input);
  const Tensor mean = by_channel("--mean", scale.mean, layout.channels);
  const Tensor std = by_channel("--std", scale.std, layout.channels);
  const Tensor stored = decode(path, layout.channels);
  const Shape sizes{layout.height < 0 ? stored.dim(0) : layout.height,
                    layout.width < 0 ? stored.dim(1) : layout.width, layout.channels};
  Tensor pixels = ops::resize(
      stored.cast(DType::f32), sizes,
      {.interpolation = ops::Interpolation::linear, .antialias = true, .exclude_outside = true});
  if (input.has_dtype && input.dtype == DType::u8) {
    pixels = ops::round(pixels).cast(DType::u8);
  } else {
    pixels = ops::div(ops::sub(ops::div(pixels, Tensor::scalar(255.f)), mean), std);
    pixels = pixels.cast(input.has_dtype ? input.dtype : DType::f32);
  }
  if (!layout.channels_last) pixels = pixels.permute({2, 0, 1});
  return pixels.unsqueeze(0).contiguous();
}

}  // namespace quern::cli
