#include "kernels/channel_conv_rows.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace quern::kernels {
namespace {

constexpr std::int64_t kLine = 64;

std::int64_t padded(std::int64_t count, std::int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

std::int64_t padded_channels(const ChannelConv& conv) {
  return padded(conv.filters->channels, ChannelFilters::kBlock);
}

std::int64_t padded_row_bytes(const ChannelConv& conv) {
  const std::int64_t read = (conv.dst_width - 1) * conv.stride + conv.filters->size;
  return padded(std::max(conv.pad_left + conv.width, read) * padded_channels(conv), kLine);
}

}  // namespace

std::size_t ChannelConvRows::scratch_bytes(const ChannelConv& conv) {
  const std::int64_t numbers = padded_channels(conv) * 4;
  return static_cast<std::size_t>(2 * numbers + (conv.filters->size + 1) * padded_row_bytes(conv));
}

ChannelConvRows::ChannelConvRows(const ChannelConv& conv, std::byte* scratch)
    : conv_(conv),
      pitch_(padded_channels(conv)),
      row_bytes_(padded_row_bytes(conv)),
      zero_(static_cast<std::uint8_t>(conv.src_zero + (conv.src.is_signed ? 128 : 0))),
      offsets_(reinterpret_cast<std::int32_t*>(scratch)),
      multipliers_(reinterpret_cast<float*>(scratch + pitch_ * 4)),
      rows_(reinterpret_cast<std::uint8_t*>(scratch + pitch_ * 8)),
      pad_row_(rows_ + conv.filters->size * row_bytes_) {
  const ChannelFilters& filters = *conv.filters;
  std::fill(offsets_ + filters.channels, offsets_ + pitch_, 0);
  std::fill(multipliers_ + filters.channels, multipliers_ + pitch_, 0.f);
  std::copy_n(conv.multiplier, filters.channels, multipliers_);
  for (std::int64_t i = 0; i < filters.channels; ++i) {
    const auto bias = static_cast<std::uint32_t>(conv.bias != nullptr ? conv.bias[i] : 0);
    const auto sum = static_cast<std::uint32_t>(filters.sums[static_cast<std::size_t>(i)]);
    offsets_[i] = static_cast<std::int32_t>(bias - sum * zero_);
  }
  for (std::int64_t i = 0; i < filters.size; ++i) fill_pads(rows_ + i * row_bytes_);
  std::fill_n(pad_row_, row_bytes_, zero_);
  std::fill(std::begin(held_), std::end(held_), -1);
}

void ChannelConvRows::fill_pads(std::uint8_t* row) const {
  if (conv_.filters->channels != pitch_) {
    std::fill_n(row, row_bytes_, zero_);
    return;
  }
  std::fill_n(row, conv_.pad_left * pitch_, zero_);
  std::fill(row + (conv_.pad_left + conv_.width) * pitch_, row + row_bytes_, zero_);
}

void ChannelConvRows::move_to(std::int64_t batch, std::int64_t row) {
  const std::int64_t first = row * conv_.stride - conv_.pad_top;
  for (std::int64_t i = 0; i < conv_.filters->size; ++i) {
    if (first + i < 0 || first + i >= conv_.height) {
      window_[i] = pad_row_;
      continue;
    }
    const std::int64_t wanted = batch * conv_.height + first + i;
    const std::int64_t slot = wanted % conv_.filters->size;
    std::uint8_t* held = rows_ + slot * row_bytes_;
    if (std::exchange(held_[slot], wanted) != wanted) copy_row(wanted, held);
    window_[i] = held;
  }
}

void ChannelConvRows::copy_row(std::int64_t row, std::uint8_t* dst) const {
  const std::int64_t channels = conv_.filters->channels;
  const auto* src = static_cast<const std::uint8_t*>(conv_.src.data) + row * conv_.width * channels;
  dst += conv_.pad_left * pitch_;
  const bool dense = channels == pitch_;
  const std::int64_t runs = dense ? 1 : conv_.width;
  const std::int64_t count = dense ? conv_.width * channels : channels;
  for (std::int64_t run = 0; run < runs; ++run, src += channels, dst += pitch_) {
    if (conv_.src.is_signed) {
      for (std::int64_t i = 0; i < count; ++i) dst[i] = src[i] ^ 0x80;
    } else {
      std::memcpy(dst, src, static_cast<std::size_t>(count));
    }
  }
}

}  // namespace quern::kernels
