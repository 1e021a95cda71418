#include "kernels/channel_conv.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/each_target.h"
#include "kernels/quantised_matmul.h"

namespace quern::kernels {
namespace {

int value_at(const std::vector<std::uint8_t>& bytes, std::int64_t at, bool is_signed) {
  const std::uint8_t byte = bytes[static_cast<std::size_t>(at)];
  return is_signed ? static_cast<std::int8_t>(byte) : byte;
}

struct ChannelCase {
  std::int64_t channels, height, width, size, stride, pad;
  bool is_signed;
  int zero;

  void check() const {
    constexpr std::int64_t kBatch = 2;
    std::vector<std::uint8_t> src(static_cast<std::size_t>(kBatch * height * width * channels));
    for (std::size_t i = 0; i < src.size(); ++i) src[i] = static_cast<std::uint8_t>(i * i * 31 + i);
    std::vector<std::int8_t> weight(static_cast<std::size_t>(channels * size * size));
    for (std::size_t i = 0; i < weight.size(); ++i)
      weight[i] = static_cast<std::int8_t>(i * 77 + 128);
    std::vector<std::int32_t> bias;
    std::vector<float> multiplier;
    for (std::int64_t i = 0; i < channels; ++i) {
      bias.push_back(static_cast<std::int32_t>(i * 1000 - 5000));
      multiplier.push_back(0.001f + 0.0001f * static_cast<float>(i));
    }
    const ChannelFilters filters(weight.data(), channels, size);
    ChannelConv conv;
    conv.filters = &filters;
    conv.batch = kBatch;
    conv.height = height;
    conv.width = width;
    conv.dst_height = (height + 2 * pad - size) / stride + 1;
    conv.dst_width = (width + 2 * pad - size) / stride + 1;
    conv.stride = stride;
    conv.pad_top = conv.pad_left = pad;
    conv.src = {src.data(), is_signed};
    conv.src_zero = zero;
    conv.bias = bias.data();
    conv.multiplier = multiplier.data();
    conv.dst_zero = 9.f;
    std::vector<std::uint8_t> want;
    for (std::int64_t row = 0; row < kBatch * conv.dst_height; ++row) {
      for (std::int64_t place = 0; place < conv.dst_width; ++place) {
        for (std::int64_t channel = 0; channel < channels; ++channel) {
          std::int32_t sum = bias[static_cast<std::size_t>(channel)];
          for (std::int64_t tap = 0; tap < size * size; ++tap) {
            const std::int64_t y = row % conv.dst_height * stride + tap / size - pad;
            const std::int64_t x = place * stride + tap % size - pad;
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            const std::int64_t at = (row / conv.dst_height * height + y) * width + x;
            sum += (value_at(src, at * channels + channel, is_signed) - zero) *
                   weight[static_cast<std::size_t>(channel * size * size + tap)];
          }
          const float scaled = std::nearbyint(static_cast<float>(sum) *
                                              multiplier[static_cast<std::size_t>(channel)]);
          want.push_back(static_cast<std::uint8_t>(std::clamp(scaled + 9.f, 0.f, 255.f)));
        }
      }
    }
    on_each_target([&] {
      std::vector<std::uint8_t> got(want.size() + 1, 77);
      conv.dst = {got.data(), false};
      if (!convolves_channels(size, stride)) return;
      convolve_channels(conv);
      CHECK(got.back() == 77);
      got.pop_back();
      CHECK(got == want);
    });
  }
};

TEST_CASE("a convolution of each channel by itself agrees with plain loops to the bit") {
  for (const std::int64_t channels : {1, 15, 16, 35}) {
    for (const std::int64_t width : {5, 8, 11}) {
      for (const std::int64_t size : {3, 5}) {
        for (const std::int64_t stride : {1, 2}) {
          CAPTURE(channels);
          CAPTURE(width);
          CAPTURE(size);
          CAPTURE(stride);
          ChannelCase{channels, 6, width, size, stride, size / 2, false, 200}.check();
          ChannelCase{channels, 6, width, size, stride, 0, false, 0}.check();
          ChannelCase{channels, 6, width, size, stride, 1, true, -128}.check();
          ChannelCase{channels, 9, width, size, stride, 2, true, 127}.check();
        }
      }
    }
  }
  ChannelCase{64, 70, 61, 3, 1, 1, false, 128}.check();  // for several threads
}

TEST_CASE("channels are convolved wherever bytes have dot products, by the filters that are") {
  on_each_target([] {
    const bool has_dots = wide_quantised_kernel(Encoding::q8_0) != nullptr;
    for (std::int64_t size = 1; size < 8; ++size) {
      for (std::int64_t stride = 1; stride < 4; ++stride) {
        CAPTURE(size);
        CAPTURE(stride);
        const bool fits = (size == 3 || size == 5) && stride <= 2;
        CHECK(convolves_channels(size, stride) == (has_dots && fits));
      }
    }
  });
}

}  // namespace
}  // namespace quern::kernels
