#include "kernels/depthwise_conv.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/each_target.h"

namespace quern::kernels {
namespace {

std::vector<float> image_waves(std::int64_t count, float pace) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(std::sin(pace * static_cast<float>(i)));
  return values;
}

/// Where an element lies, by the layout of `conv`, in an image of `rows` x `columns`.
std::size_t place(const DepthwiseConv& conv, std::int64_t image, std::int64_t channel,
                  std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns) {
  const std::int64_t last = ((image * rows + row) * columns + column) * conv.channels + channel;
  const std::int64_t first = ((image * conv.channels + channel) * rows + row) * columns + column;
  return static_cast<std::size_t>(conv.channels_last ? last : first);
}

/// A window's element at a place of dst, in src; outside of it where there is none.
std::int64_t source(const WindowAxis& axis, std::int64_t at, std::int64_t element) {
  return at * axis.stride + element * axis.dilation - axis.pad;
}

double plain(const DepthwiseConv& conv, std::int64_t image, std::int64_t channel, std::int64_t row,
             std::int64_t column) {
  double sum = conv.bias == nullptr ? 0 : double{conv.bias[channel]};
  for (std::int64_t i = 0; i < conv.rows.kernel; ++i) {
    for (std::int64_t j = 0; j < conv.columns.kernel; ++j) {
      const std::int64_t y = source(conv.rows, row, i);
      const std::int64_t x = source(conv.columns, column, j);
      if (y < 0 || y >= conv.rows.src || x < 0 || x >= conv.columns.src) continue;
      sum +=
          double{conv.src[place(conv, image, channel, y, x, conv.rows.src, conv.columns.src)]} *
          double{conv.taps[place(conv, 0, channel, i, j, conv.rows.kernel, conv.columns.kernel)]};
    }
  }
  return sum;
}

/// An axis of `src` elements with pads on both sides, where the window fits.
WindowAxis window_axis(std::int64_t src, std::int64_t kernel, std::int64_t stride,
                       std::int64_t dilation, std::int64_t pad) {
  const std::int64_t room = src + 2 * pad - (kernel - 1) * dilation - 1;
  return {src, room / stride + 1, kernel, stride, dilation, pad};
}

void check_depthwise(DepthwiseConv conv) {
  CAPTURE(conv.channels);
  CAPTURE(conv.channels_last);
  CAPTURE(conv.columns.src);
  CAPTURE(conv.columns.dilation);
  const std::int64_t planes = conv.batch * conv.channels;
  const auto src = image_waves(planes * conv.rows.src * conv.columns.src, 0.7f);
  const auto taps = image_waves(conv.channels * conv.rows.kernel * conv.columns.kernel, 1.3f);
  const auto bias = image_waves(conv.channels, 2.1f);
  conv.src = src.data();
  conv.taps = taps.data();
  for (const float* given : {static_cast<const float*>(nullptr), bias.data()}) {
    conv.bias = given;
    on_each_target([&] {
      std::vector<float> dst(
          static_cast<std::size_t>(planes * conv.rows.dst * conv.columns.dst + 1), -9.f);
      conv.dst = dst.data();
      convolve_depthwise(conv);
      double worst = 0;
      for (std::int64_t image = 0; image < conv.batch; ++image) {
        for (std::int64_t c = 0; c < conv.channels; ++c) {
          for (std::int64_t y = 0; y < conv.rows.dst; ++y) {
            for (std::int64_t x = 0; x < conv.columns.dst; ++x) {
              const float got = dst[place(conv, image, c, y, x, conv.rows.dst, conv.columns.dst)];
              worst = std::max(worst, std::abs(got - plain(conv, image, c, y, x)));
            }
          }
        }
      }
      CHECK(worst < 2e-6 * static_cast<double>(conv.rows.kernel * conv.columns.kernel));
      CHECK(dst.back() == -9.f);
    });
  }
}

TEST_CASE("channels convolved by themselves are what plain loops give") {
  for (const bool channels_last : {true, false}) {
    for (const std::int64_t channels : {1, 3, 7, 16, 37, 129}) {
      check_depthwise({.batch = 2,
                       .channels = channels,
                       .columns = window_axis(131, 3, 1, 1, 1),
                       .channels_last = channels_last});
      check_depthwise({.batch = 1,
                       .channels = channels,
                       .rows = window_axis(9, 3, 2, 1, 1),
                       .columns = window_axis(13, 5, 2, 1, 2),
                       .channels_last = channels_last});
    }
    for (const std::int64_t dilation : {2, 7, 64, 200})
      check_depthwise({.batch = 1,
                       .channels = 19,
                       .columns = window_axis(127, 3, 1, dilation, dilation),
                       .channels_last = channels_last});
    check_depthwise({.batch = 1,
                     .channels = 33,
                     .rows = window_axis(8, 7, 1, 3, 9),
                     .columns = window_axis(5, 7, 3, 2, 12),
                     .channels_last = channels_last});
  }
}

}  // namespace
}  // namespace quern::kernels
