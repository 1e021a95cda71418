#include "kernels/channel_conv.h"

#include <algorithm>
#include <memory>

#include "core/buffer.h"
#include "core/parallel.h"
#include "core/runtime.h"
#include "kernels/channel_conv_rows.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/channel_conv.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include "kernels/byte_writer-inl.h"
#include "kernels/dot_i8-inl.h"

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

#if QUERN_DOT_VNNI

/// Byte `row` of lane `channel` is byte `channel` of that row's 16.
struct RowsToLanes {
  alignas(64) std::uint8_t from[64];

  constexpr RowsToLanes() : from() {
    for (int i = 0; i < 64; ++i) from[i] = static_cast<std::uint8_t>(i % 4 * 16 + i / 4);
  }
};
inline constexpr RowsToLanes kRowsToLanes;

HWY_INLINE __m128i load_block(const std::uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// Bytes of `count` rows, those of a channel side by side in its lane; where there are fewer than 4
/// rows, some byte stands for the others.
template <int count>
HWY_INLINE VU8 load_column(const std::uint8_t* const* rows, std::int64_t at) {
  const __m128i first = load_block(rows[0] + at);
  __m512i all = _mm512_castsi128_si512(first);
  if constexpr (count > 1)
    all = _mm512_castsi256_si512(
        _mm256_inserti128_si256(_mm256_castsi128_si256(first), load_block(rows[1] + at), 1));
  if constexpr (count > 2) all = _mm512_inserti32x4(all, load_block(rows[2] + at), 2);
  if constexpr (count > 3) all = _mm512_inserti32x4(all, load_block(rows[3] + at), 3);
  return VU8{_mm512_permutexvar_epi8(hn::Load(DU8(), kRowsToLanes.from).raw, all)};
}

/// Adds the products of `count` rows of a filter to the sums of neighbouring places, each column of
/// the source, from `column` on, being loaded once for all of them.
template <int size, int stride, int places, int count, int column = 0>
HWY_INLINE void add_rows(const std::uint8_t* const* rows, std::int64_t at, std::int64_t pitch,
                         const std::int8_t* taps, VI32 (&sums)[places]) {
  const VU8 bytes = load_column<count>(rows, at + column * pitch);
  for (int place = 0; place < places; ++place) {
    const int tap = column - place * stride;
    if (tap >= 0 && tap < size)
      sums[place] =
          dot_u8(sums[place], bytes, hn::LoadU(DI8(), taps + tap * ChannelFilters::kColumn));
  }
  if constexpr (column + 1 < (places - 1) * stride + size)
    add_rows<size, stride, places, count, column + 1>(rows, at, pitch, taps, sums);
}

/// `places` neighbouring results of one block of channels.
template <int size, int stride, int places>
HWY_INLINE void convolve_places(const ChannelConvRows& rows, std::int64_t block, std::int64_t place,
                                const ByteWriter& writer, std::int64_t dst) {
  constexpr std::int64_t kBlock = ChannelFilters::kBlock;
  constexpr int kGroups = (size + 3) / 4;
  const ChannelFilters& filters = *rows.conv().filters;
  const std::int64_t channel = block * kBlock;
  const std::int64_t at = place * stride * rows.pitch() + channel;
  const std::int8_t* taps = filters.taps.data() + block * kGroups * size * ChannelFilters::kColumn;
  VI32 sums[places];
  for (auto& sum : sums) sum = hn::Load(DI32(), rows.offsets() + channel);
  add_rows<size, stride, places, std::min(size, 4)>(rows.window(), at, rows.pitch(), taps, sums);
  if constexpr (size > 4)
    add_rows<size, stride, places, size - 4>(rows.window() + 4, at, rows.pitch(),
                                             taps + size * ChannelFilters::kColumn, sums);
  const auto multipliers = hn::Load(DF32(), rows.multipliers() + channel);
  const std::int64_t left = std::min(filters.channels - channel, kBlock);
  for (int i = 0; i < places; ++i) {
    const auto value = hn::Mul(hn::ConvertTo(DF32(), sums[i]), multipliers);
    const std::int64_t to = dst + (place + i) * filters.channels + channel;
    if (left == kBlock) {
      writer.store(value, to);
    } else {
      writer.store(value, to, left);
    }
  }
}

/// The rows [begin, end) of all batch entries' results.
template <int size, int stride>
void convolve_range(const ChannelConv& conv, std::int64_t begin, std::int64_t end,
                    std::byte* scratch) {
  constexpr int kPlaces = 4;
  const ByteWriter writer(conv.dst, conv.dst_zero);
  const std::int64_t channels = conv.filters->channels;
  ChannelConvRows rows(conv, scratch);
  for (std::int64_t row = begin; row < end; ++row) {
    rows.move_to(row / conv.dst_height, row % conv.dst_height);
    const std::int64_t dst = row * conv.dst_width * channels;
    for (std::int64_t block = 0; block * ChannelFilters::kBlock < channels; ++block) {
      std::int64_t place = 0;
      for (; place + kPlaces <= conv.dst_width; place += kPlaces)
        convolve_places<size, stride, kPlaces>(rows, block, place, writer, dst);
      for (; place < conv.dst_width; ++place)
        convolve_places<size, stride, 1>(rows, block, place, writer, dst);
    }
  }
}

ChannelConvRange channel_conv_range(std::int64_t size, std::int64_t stride) {
  if (size == 3 && stride == 1) return convolve_range<3, 1>;
  if (size == 3 && stride == 2) return convolve_range<3, 2>;
  if (size == 5 && stride == 1) return convolve_range<5, 1>;
  if (size == 5 && stride == 2) return convolve_range<5, 2>;
  return nullptr;
}

#else

ChannelConvRange channel_conv_range(std::int64_t, std::int64_t) { return nullptr; }

#endif

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(channel_conv_range);

constexpr std::int64_t kGrain = 16384;  // results worth a thread's while

}  // namespace

ChannelFilters::ChannelFilters(const std::int8_t* weight, std::int64_t channel_count,
                               std::int64_t filter_size)
    : channels(channel_count), size(filter_size) {
  const std::int64_t blocks = (channels + kBlock - 1) / kBlock;
  const std::int64_t groups = (size + kRows - 1) / kRows;
  taps.assign(static_cast<std::size_t>(blocks * groups * size * kColumn), 0);
  sums.assign(static_cast<std::size_t>(channels), 0);
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    for (std::int64_t row = 0; row < size; ++row) {
      for (std::int64_t column = 0; column < size; ++column) {
        const std::int8_t tap = weight[(channel * size + row) * size + column];
        const std::int64_t place = (channel / kBlock * groups + row / kRows) * size + column;
        taps[static_cast<std::size_t>((place * kBlock + channel % kBlock) * kRows + row % kRows)] =
            tap;
        sums[static_cast<std::size_t>(channel)] += tap;
      }
    }
  }
}

bool convolves_channels(std::int64_t size, std::int64_t stride) {
  settle_targets();
  return HWY_DYNAMIC_DISPATCH(channel_conv_range)(size, stride) != nullptr;
}

void convolve_channels(const ChannelConv& conv) {
  settle_targets();
  const ChannelConvRange range =
      HWY_DYNAMIC_DISPATCH(channel_conv_range)(conv.filters->size, conv.stride);
  const std::int64_t rows = conv.batch * conv.dst_height;
  const std::int64_t results = rows * conv.dst_width * conv.filters->channels;
  const std::int64_t workers = std::min({rows, std::int64_t{thread_count()}, results / kGrain + 1});
  const std::size_t bytes = ChannelConvRows::scratch_bytes(conv);
  const auto memory = allocate_buffer(bytes * static_cast<std::size_t>(workers));
  parallel_for(workers, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      range(conv, rows * i / workers, rows * (i + 1) / workers,
            memory.get() + static_cast<std::size_t>(i) * bytes);
    }
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
