#include "cli/image.h"

#include <algorithm>
#include <cctype>
#include <climits>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "quern/error.h"
#include "quern/ops.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#include <stb_image.h>

namespace quern::cli {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;

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

std::vector<unsigned char> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::not_found, "run: cannot open image \"" + path + "\"");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// u8 [height, width, channels].
Tensor decode(const std::string& path, std::int64_t channels) {
  const std::vector<unsigned char> bytes = read_bytes(path);
  const int size = bytes.size() > INT_MAX ? INT_MAX : static_cast<int>(bytes.size());
  int width = 0;
  int height = 0;
  int stored = 0;
  const auto refuse = [&] {
    return Error(ErrorCode::corrupt_file,
                 "run: \"" + path + "\" is not a PNG, JPEG or BMP image: " + stbi_failure_reason());
  };
  if (stbi_info_from_memory(bytes.data(), size, &width, &height, &stored) == 0) throw refuse();
  if (std::int64_t{width} * height > kMostPixels)
    throw Error(ErrorCode::unsupported, "run: \"" + path + "\" has " + std::to_string(width) +
                                            " x " + std::to_string(height) +
                                            " pixels, at most 2^26 are read");
  const std::shared_ptr<unsigned char> pixels(
      stbi_load_from_memory(bytes.data(), size, &width, &height, &stored,
                            static_cast<int>(channels)),
      stbi_image_free);
  if (!pixels) throw refuse();
  const Shape shape{height, width, channels};
  return Tensor::view_of(pixels.get(), static_cast<std::size_t>(shape.numel()), DType::u8, shape,
                         pixels);
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
  constexpr std::string_view kExtensions[] = {".png", ".jpg", ".jpeg", ".bmp"};
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
