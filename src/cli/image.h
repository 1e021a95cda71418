#pragma once

#include <string>
#include <vector>

#include "quern/onnx.h"

namespace quern::cli {

/// What is done to floats of 0 to 1, for each channel or for all: (x - mean) / std.
struct PixelScale {
  std::vector<float> mean = {0.f};
  std::vector<float> std = {1.f};
};

/// Whether a file's name ends as those of images do: .png, .jpg, .jpeg, .bmp, .pgm or .ppm.
bool is_image(const std::string& path);

/// An image as a model's `input` takes it: [batch, channels, height, width] or [batch, height,
/// width, channels], by which axis has 1, 3 or 4 elements; stretched to its height and width where
/// they are fixed (bilinear, smoothed where it shrinks). u8 as in the file, floats by `scale`.
/// Throws: `invalid_argument` where the input takes no images; `not_found`; `corrupt_file` for what
/// is no image; `unsupported` for one of more than 2^26 pixels.
Tensor read_image(const std::string& path, const onnx::ValueInfo& input, const PixelScale& scale);

}  // namespace quern::cli
