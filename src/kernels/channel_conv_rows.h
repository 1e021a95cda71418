#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/channel_conv.h"

namespace quern::kernels {

using ChannelConvRange = void (*)(const ChannelConv& conv, std::int64_t begin, std::int64_t end,
                                  std::byte* scratch);

/// The rows of a source that one row of results is made of, as unsigned bytes with their pads, each
/// copied once while rows of results follow one another.
class ChannelConvRows {
 public:
  /// Of the scratch that each thread needs.
  static std::size_t scratch_bytes(const ChannelConv& conv);
  /// `scratch` begins at a multiple of 64.
  ChannelConvRows(const ChannelConv& conv, std::byte* scratch);

  /// Makes `window` that of a row of results.
  void move_to(std::int64_t batch, std::int64_t row);

  const ChannelConv& conv() const { return conv_; }
  /// A pointer for each row of the filter.
  const std::uint8_t* const* window() const { return window_; }
  /// From a place to the next, in bytes.
  std::int64_t pitch() const { return pitch_; }
  /// What each sum begins with: the bias, less what the source's zero point adds.
  const std::int32_t* offsets() const { return offsets_; }
  const float* multipliers() const { return multipliers_; }

 private:
  static constexpr std::int64_t kMostRows = 5;

  void fill_pads(std::uint8_t* row) const;
  void copy_row(std::int64_t row, std::uint8_t* dst) const;

  const ChannelConv& conv_;
  std::int64_t pitch_, row_bytes_;
  std::uint8_t zero_;
  std::int32_t* offsets_;
  float* multipliers_;
  std::uint8_t* rows_;            // [size, row_bytes]
  std::uint8_t* pad_row_;         // zero points alone
  std::int64_t held_[kMostRows];  // which row each of `rows` is
  const std::uint8_t* window_[kMostRows];
};

}  // namespace quern::kernels
