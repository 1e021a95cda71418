#pragma once

#include <cstdint>
#include <vector>

#include "kernels/bytes.h"

namespace quern::kernels {

/// The filters of a convolution of each channel by itself, in the order that the kernel reads them.
struct ChannelFilters {
  /// Channels that stand side by side: the last block is filled with zeros.
  static constexpr std::int64_t kBlock = 16;
  /// Elements of a filter's column whose products are added at once.
  static constexpr std::int64_t kRows = 4;
  /// Bytes of such columns of a block's filters.
  static constexpr std::int64_t kColumn = kBlock * kRows;

  ChannelFilters() = default;
  /// Of weight [channels, size, size].
  ChannelFilters(const std::int8_t* weight, std::int64_t channels, std::int64_t size);

  std::int64_t channels = 0;
  std::int64_t size = 0;
  std::vector<std::int8_t> taps;   ///< [channels / kBlock, size / kRows, size, kBlock, kRows]
  std::vector<std::int32_t> sums;  ///< of each filter
};

/// A convolution of bytes [batch, height, width, channels], stored as bytes in the same order.
struct ChannelConv {
  const ChannelFilters* filters = nullptr;
  std::int64_t batch = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t dst_height = 0;
  std::int64_t dst_width = 0;
  std::int64_t stride = 1;
  std::int64_t pad_top = 0;
  std::int64_t pad_left = 0;
  SourceBytes src{};
  std::int32_t src_zero = 0;           ///< one of the values that src can have
  const std::int32_t* bias = nullptr;  ///< [channels]; null: zeros
  const float* multiplier = nullptr;   ///< [channels]
  float dst_zero = 0;                  ///< one of the values that dst can have
  ResultBytes dst{};
};

/// Whether there is a kernel for filters of `size` x `size` elements and `stride`: for 3 and 5, and
/// 1 and 2, where this machine has dot products of bytes in vectors of 64.
bool convolves_channels(std::int64_t size, std::int64_t stride);

/// dst = round((the sum of (src - src_zero) * filter, + bias) * multiplier) + dst_zero, as the
/// loops of bytes.h store it; sums wrap at 32 bits. Only where `convolves_channels`. Throws:
/// `out_of_memory`.
void convolve_channels(const ChannelConv& conv);

}  // namespace quern::kernels
