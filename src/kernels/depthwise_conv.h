#pragma once

#include <cstdint>

namespace quern::kernels {

/// How the window of a convolution moves along one axis.
struct WindowAxis {
  std::int64_t src = 1;
  std::int64_t dst = 1;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t pad = 0;  ///< before the first element of src; what lies beyond the last is 0 too
};

/// A convolution of each channel by itself, in f32.
struct DepthwiseConv {
  std::int64_t batch = 0;
  std::int64_t channels = 0;
  WindowAxis rows{};
  WindowAxis columns{};
  /// Whether images lie as [batch, rows, columns, channels] and taps as [rows, columns, channels];
  /// else as [batch, channels, rows, columns] and [channels, rows, columns].
  bool channels_last = true;
  const float* src = nullptr;
  const float* taps = nullptr;
  const float* bias = nullptr;  ///< [channels]; null: zeros
  float* dst = nullptr;         ///< not src
};

void convolve_depthwise(const DepthwiseConv& conv);

}  // namespace quern::kernels
