#include "kernels/depthwise_conv.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_conv.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Elements [begin, end) of a window that lie within src where it stands at `place`.
struct Reach {
  std::int64_t begin, end;

  Reach(const WindowAxis& axis, std::int64_t place) {
    const std::int64_t first = place * axis.stride - axis.pad;
    const auto elements_before = [&](std::int64_t at) {
      const std::int64_t room = at - first;
      return room <= 0 ? 0 : std::min((room + axis.dilation - 1) / axis.dilation, axis.kernel);
    };
    begin = elements_before(0);
    end = std::max(elements_before(axis.src), begin);
  }
};

/// Places [begin, end) at which the whole window lies within src.
struct Inside {
  std::int64_t begin, end;

  explicit Inside(const WindowAxis& axis) {
    begin = std::min((axis.pad + axis.stride - 1) / axis.stride, axis.dst);
    const std::int64_t last = axis.src - 1 - (axis.kernel - 1) * axis.dilation + axis.pad;
    end = std::clamp(last < 0 ? 0 : last / axis.stride + 1, begin, axis.dst);
  }
};

/// Results of `vectors` vectors of channels at `places` neighbouring places of a row, whose windows
/// reach as far.
template <int places, int vectors, class D>
HWY_INLINE void convolve_channels(D d, const DepthwiseConv& conv, const float* src, Reach rows,
                                  Reach columns, std::int64_t channel, std::int64_t place,
                                  float* dst) {
  const std::int64_t channels = conv.channels;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t step = conv.columns.stride * channels;
  hn::Vec<D> sums[places * vectors];
  for (int v = 0; v < vectors; ++v) {
    const auto bias =
        conv.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, conv.bias + channel + v * lanes);
    for (int p = 0; p < places; ++p) sums[p * vectors + v] = bias;
  }
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* line = src + row * conv.rows.dilation * conv.columns.src * channels + channel;
    const float* taps = conv.taps + row * conv.columns.kernel * channels + channel;
    for (std::int64_t column = columns.begin; column < columns.end; ++column) {
      const float* at =
          line + (place * conv.columns.stride + column * conv.columns.dilation - conv.columns.pad) *
                     channels;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const auto tap = hn::LoadU(d, taps + column * channels + v * lanes);
#pragma GCC unroll 8
        for (int p = 0; p < places; ++p)
          sums[p * vectors + v] =
              hn::MulAdd(hn::LoadU(d, at + p * step + v * lanes), tap, sums[p * vectors + v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < places; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      hn::StoreU(sums[p * vectors + v], d, dst + (place + p) * channels + channel + v * lanes);
  }
}

/// Places [begin, end) of one row, for `vectors` vectors of channels.
template <int vectors, class D>
HWY_INLINE void convolve_places(D d, const DepthwiseConv& conv, const float* src, Reach rows,
                                std::int64_t channel, std::int64_t begin, std::int64_t end,
                                float* dst) {
  constexpr int kPlaces = 4;
  const Inside inside(conv.columns);
  std::int64_t place = begin;
  while (place < end) {
    const bool whole = place >= inside.begin && place + kPlaces <= std::min(inside.end, end);
    const Reach columns(conv.columns, place);
    if (whole) {
      convolve_channels<kPlaces, vectors>(d, conv, src, rows, columns, channel, place, dst);
      place += kPlaces;
    } else {
      convolve_channels<1, vectors>(d, conv, src, rows, columns, channel, place, dst);
      ++place;
    }
  }
}

/// Row `row` of all images' results, places [begin, end).
void convolve_last(const DepthwiseConv& conv, std::int64_t row, std::int64_t begin,
                   std::int64_t end) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t image = row / conv.rows.dst;
  const std::int64_t line = row % conv.rows.dst;
  const Reach rows(conv.rows, line);
  const float* src = conv.src + (image * conv.rows.src + line * conv.rows.stride - conv.rows.pad) *
                                    conv.columns.src * conv.channels;
  float* dst = conv.dst + row * conv.columns.dst * conv.channels;
  std::int64_t channel = 0;
  for (; channel + 2 * lanes <= conv.channels; channel += 2 * lanes)
    convolve_places<2>(d, conv, src, rows, channel, begin, end, dst);
  for (; channel + lanes <= conv.channels; channel += lanes)
    convolve_places<1>(d, conv, src, rows, channel, begin, end, dst);
  for (; channel < conv.channels; ++channel)
    convolve_places<1>(d1, conv, src, rows, channel, begin, end, dst);
}

/// `vectors` vectors of places from `place` on, at which the whole window's columns lie within src.
template <int vectors, class D>
HWY_INLINE void convolve_line(D d, const DepthwiseConv& conv, const float* src, const float* taps,
                              float bias, Reach rows, Reach columns, std::int64_t place,
                              float* dst) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> sums[vectors];
  for (auto& sum : sums) sum = hn::Set(d, bias);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* line = src + row * conv.rows.dilation * conv.columns.src +
                        place * conv.columns.stride - conv.columns.pad;
    for (std::int64_t column = columns.begin; column < columns.end; ++column) {
      const auto tap = hn::Set(d, taps[row * conv.columns.kernel + column]);
      const float* at = line + column * conv.columns.dilation;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v)
        sums[v] = hn::MulAdd(hn::LoadU(d, at + v * lanes), tap, sums[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) hn::StoreU(sums[v], d, dst + place + v * lanes);
}

/// Row `row` of all channels' results, places [begin, end).
void convolve_first(const DepthwiseConv& conv, std::int64_t row, std::int64_t begin,
                    std::int64_t end) {
  constexpr int kVectors = 4;
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t plane = row / conv.rows.dst;
  const std::int64_t line = row % conv.rows.dst;
  const std::int64_t channel = plane % conv.channels;
  const Reach rows(conv.rows, line);
  const Inside inside(conv.columns);
  const bool steps = conv.columns.stride == 1;
  const float* src = conv.src + (plane * conv.rows.src + line * conv.rows.stride - conv.rows.pad) *
                                    conv.columns.src;
  const float* taps = conv.taps + channel * conv.rows.kernel * conv.columns.kernel;
  const float bias = conv.bias == nullptr ? 0.f : conv.bias[channel];
  float* dst = conv.dst + row * conv.columns.dst;
  std::int64_t place = begin;
  while (place < end) {
    const Reach columns(conv.columns, place);
    const std::int64_t room =
        steps && place >= inside.begin ? std::min(inside.end, end) - place : 0;
    if (room >= kVectors * lanes) {
      convolve_line<kVectors>(d, conv, src, taps, bias, rows, columns, place, dst);
      place += kVectors * lanes;
    } else if (room >= lanes) {
      convolve_line<1>(d, conv, src, taps, bias, rows, columns, place, dst);
      place += lanes;
    } else {
      convolve_line<1>(d1, conv, src, taps, bias, rows, columns, place, dst);
      ++place;
    }
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(convolve_last);
HWY_EXPORT(convolve_first);

constexpr std::int64_t kGrain = 131072;  // products worth a thread's while
constexpr std::int64_t kPiece = 128;     // places of a row that are computed at a time

}  // namespace

void convolve_depthwise(const DepthwiseConv& conv) {
  settle_targets();
  const std::int64_t rows = conv.batch * conv.rows.dst * (conv.channels_last ? 1 : conv.channels);
  const std::int64_t pieces = (conv.columns.dst + kPiece - 1) / kPiece;
  const std::int64_t products = std::min(kPiece, conv.columns.dst) *
                                (conv.channels_last ? conv.channels : 1) * conv.rows.kernel *
                                conv.columns.kernel;
  parallel_for(rows * pieces, kGrain / products + 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % pieces * kPiece;
      const std::int64_t last = std::min(first + kPiece, conv.columns.dst);
      if (conv.channels_last)
        HWY_DYNAMIC_DISPATCH(convolve_last)(conv, i / pieces, first, last);
      else
        HWY_DYNAMIC_DISPATCH(convolve_first)(conv, i / pieces, first, last);
    }
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
