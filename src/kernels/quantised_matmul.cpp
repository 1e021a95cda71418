#include "kernels/quantised_matmul.h"

#include <algorithm>

#include "core/buffer.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantised_matmul.cpp"
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include "kernels/encodings-inl.h"

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

#if QUERN_DOT_VNNI

inline constexpr int kLaneRows = 16;
inline constexpr int kStrips = kWideTileRows / kLaneRows;
/// Activation rows that a pass over the weight takes, so that their superblock stays in the caches.
inline constexpr std::int64_t kPassColumns = 128;
/// Tiles of them may end beyond the last, in sums that no one reads.
inline constexpr std::int64_t kSpareColumns = 3;

using Square = VI32[kLaneRows];

/// Blocks of 16 bytes: 0 and 2, or 1 and 3, of `a` and then of `b`.
HWY_INLINE VI32 even_blocks(VI32 a, VI32 b) {
  return VI32{_mm512_shuffle_i32x4(a.raw, b.raw, 0x88)};
}
HWY_INLINE VI32 odd_blocks(VI32 a, VI32 b) {
  return VI32{_mm512_shuffle_i32x4(a.raw, b.raw, 0xdd)};
}

/// Lane i of vector j becomes lane j of vector i.
HWY_INLINE void transpose(Square& v) {
  const DI32 d;
  const hn::Repartition<std::int64_t, DI32> d64;
  Square pairs, blocks;
#pragma GCC unroll 16
  for (int i = 0; i < kLaneRows; i += 2) {
    pairs[i] = hn::InterleaveLower(d, v[i], v[i + 1]);
    pairs[i + 1] = hn::InterleaveUpper(d, v[i], v[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kLaneRows; ++i) {
    // Block b of blocks[4 * group + j] is lane 4 * b + j of the rows 4 * group to 4 * group + 3.
    const int from = i / 4 * 4 + i % 4 / 2;
    const auto a = hn::BitCast(d64, pairs[from]);
    const auto b = hn::BitCast(d64, pairs[from + 2]);
    blocks[i] = hn::BitCast(
        d, i % 2 == 0 ? hn::InterleaveLower(d64, a, b) : hn::InterleaveUpper(d64, a, b));
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const VI32 even_low = even_blocks(blocks[j], blocks[4 + j]);
    const VI32 odd_low = odd_blocks(blocks[j], blocks[4 + j]);
    const VI32 even_high = even_blocks(blocks[8 + j], blocks[12 + j]);
    const VI32 odd_high = odd_blocks(blocks[8 + j], blocks[12 + j]);
    v[j] = even_blocks(even_low, even_high);
    v[4 + j] = even_blocks(odd_low, odd_high);
    v[8 + j] = odd_blocks(even_low, even_high);
    v[12 + j] = odd_blocks(odd_low, odd_high);
  }
}

HWY_INLINE void transpose(const VF32 (&rows)[kLaneRows], float* dst) {
  Square v;
  for (int r = 0; r < kLaneRows; ++r) v[r] = hn::BitCast(DI32(), rows[r]);
  transpose(v);
  for (int i = 0; i < kLaneRows; ++i) {
    hn::Store(hn::BitCast(DF32(), v[i]), DF32(), dst + i * kLaneRows);
  }
}

/// Bytes to bring into the caches bit by bit: all at once they would hold up the loads.
struct Fetch {
  const std::uint8_t *next, *end;

  HWY_INLINE void lines(int count) {
    for (int i = 0; i < count && next < end; ++i, next += 64) hwy::Prefetch(next);
  }
};

/// A superblock of 16 weight rows, one in each lane.
struct alignas(64) LaneBlock {
  std::uint8_t codes[kGroups][2][4][kLaneRows][4];  ///< [group][half][quad of values]
  float scales[kHalves][kLaneRows];                 ///< [half][group]
  float offsets[kHalves][kLaneRows];
};

template <class E>
HWY_INLINE void decode_lanes(const std::uint8_t* const (&rows)[kLaneRows], Fetch& fetch,
                             LaneBlock& dst) {
#pragma GCC unroll 2
  for (int first = 0; first < kGroups; first += kLanes) {
    Square halves[2];
#pragma GCC unroll 16
    for (int r = 0; r < kLaneRows; ++r) {
      fetch.lines(1);
      const Codes codes = E::codes(rows[r], first);
      halves[0][r] = hn::BitCast(DI32(), E::kSigned ? prepare_i8(codes.first) : codes.first);
      halves[1][r] = hn::BitCast(DI32(), E::kSigned ? prepare_i8(codes.second) : codes.second);
    }
    for (int half = 0; half < 2; ++half) {
      transpose(halves[half]);
#pragma GCC unroll 16
      for (int i = 0; i < kLaneRows; ++i) {
        hn::Store(hn::BitCast(DU8(), halves[half][i]), DU8(),
                  dst.codes[first + i / 4][half][i % 4][0]);
      }
    }
  }
  VF32 scales[kLaneRows], offsets[kLaneRows];
#pragma GCC unroll 16
  for (int r = 0; r < kLaneRows; ++r) {
    GroupScales groups;
    E::scales(rows[r], groups);
    scales[r] = groups.scales.parts[0];
    if constexpr (E::kOffsets) offsets[r] = groups.offsets.parts[0];
  }
  transpose(scales, dst.scales[0]);
  if constexpr (E::kOffsets) transpose(offsets, dst.offsets[0]);
}

/// Adds the products of a superblock to the sums [kColumns][kStrips][16] of kColumns activation
/// rows.
template <class E, int kColumns>
HWY_INLINE void add_lanes(const LaneBlock (&weight)[kStrips],
                          const ActivationBlock* const (&src)[kColumns], Fetch& fetch,
                          float* sums) {
  const DF32 df;
  const DI32 di;
  constexpr int kZero = E::kSigned ? kPreparedOffset : E::kZero;
  constexpr int kParts = E::kHalved ? 2 : 1;  // of a group, each with a scale
  // What the zero point, or else the offset, of a part is multiplied by.
  alignas(64) float shifts[kColumns][kHalves];
  VF32 totals[kColumns][kStrips];
#pragma GCC unroll 8
  for (int c = 0; c < kColumns; ++c) {
    const hn::FixedTag<float, kGroups> d8;
    auto first = hn::Load(d8, src[c]->sums);
    auto second = hn::Load(d8, src[c]->sums + kGroups);
    if constexpr (!E::kHalved) first = hn::Add(first, second);
    if constexpr (!E::kOffsets) {
      const auto factor = hn::Set(d8, static_cast<float>(-kZero));
      first = hn::Mul(first, factor);
      second = hn::Mul(second, factor);
    }
    hn::Store(first, d8, shifts[c]);
    hn::Store(second, d8, shifts[c] + kGroups);
#pragma GCC unroll 2
    for (int s = 0; s < kStrips; ++s) {
      totals[c][s] = hn::Load(df, sums + (c * kStrips + s) * kLaneRows);
    }
  }
#pragma GCC unroll 1
  for (int group = 0; group < kGroups; ++group) {
    fetch.lines(3);
#pragma GCC unroll 2
    for (int part = 0; part < kParts; ++part) {
      VI32 dots[kColumns][kStrips];
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 2
        for (int s = 0; s < kStrips; ++s) dots[c][s] = hn::Zero(di);
      }
#pragma GCC unroll 8
      for (int quad = 0; quad < 8 / kParts; ++quad) {
        const int half = E::kHalved ? part : quad / 4;
        VU8 codes[kStrips];
#pragma GCC unroll 2
        for (int s = 0; s < kStrips; ++s) {
          codes[s] = hn::Load(DU8(), weight[s].codes[group][half][quad % 4][0]);
        }
        const int at = ActivationBlock::codes_at(group, half) + quad % 4 * 4;
#pragma GCC unroll 8
        for (int c = 0; c < kColumns; ++c) {
          std::int32_t four;
          std::memcpy(&four, src[c]->codes + at, sizeof four);
          const VI8 values = hn::BitCast(DI8(), hn::Set(di, four));
#pragma GCC unroll 2
          for (int s = 0; s < kStrips; ++s) dots[c][s] = dot_u7(dots[c][s], codes[s], values);
        }
      }
      const int place = kGroups * part + group;
#pragma GCC unroll 2
      for (int s = 0; s < kStrips; ++s) {
        const VF32 scales = hn::Load(df, weight[s].scales[place]);
#pragma GCC unroll 8
        for (int c = 0; c < kColumns; ++c) {
          const VF32 products = hn::ConvertTo(df, dots[c][s]);
          const VF32 a_scale = hn::Set(df, src[c]->scales[4 * group]);
          const VF32 shift = hn::Set(df, shifts[c][place]);
          if constexpr (E::kOffsets) {
            const VF32 offsets = hn::Load(df, weight[s].offsets[place]);
            totals[c][s] = hn::MulAdd(offsets, shift, totals[c][s]);
            totals[c][s] = hn::MulAdd(hn::Mul(products, a_scale), scales, totals[c][s]);
          } else if constexpr (kZero != 0) {
            totals[c][s] = hn::MulAdd(hn::MulAdd(products, a_scale, shift), scales, totals[c][s]);
          } else {
            totals[c][s] = hn::MulAdd(hn::Mul(products, a_scale), scales, totals[c][s]);
          }
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 2
    for (int s = 0; s < kStrips; ++s) {
      hn::Store(totals[c][s], df, sums + (c * kStrips + s) * kLaneRows);
    }
  }
}

template <class E, int kColumns>
HWY_INLINE void add_column_tile(const LaneBlock (&weight)[kStrips], const ActivationBlock* src,
                                std::int64_t columns, Fetch& fetch, float* sums) {
  const ActivationBlock* at[kColumns];
  for (int c = 0; c < kColumns; ++c) at[c] = src + std::min<std::int64_t>(c, columns - 1);
  add_lanes<E, kColumns>(weight, at, fetch, sums);
}

/// Adds the products of a superblock to the sums of `m` activation rows, and of up to three more.
template <class E>
void add_columns(const LaneBlock (&weight)[kStrips], const ActivationBlock* src, std::int64_t m,
                 Fetch& fetch, float* sums) {
  while (m > 0) {
    if (m == 5 || m == 6 || m > 8) {
      add_column_tile<E, 6>(weight, src, m, fetch, sums);
      src += 6;
      sums += 6 * kWideTileRows;
      m -= 6;
    } else {
      add_column_tile<E, 4>(weight, src, m, fetch, sums);
      src += 4;
      sums += 4 * kWideTileRows;
      m -= 4;
    }
  }
}

/// Multiplies 32 weight rows, or those that are left, by up to kPassColumns activation rows.
template <class E>
void multiply_wide_tile(const QuantisedProduct& product, std::int64_t row, std::int64_t end,
                        std::int64_t column, std::int64_t columns, float* sums) {
  const auto* weight = reinterpret_cast<const std::uint8_t*>(product.weight);
  std::fill_n(sums, (columns + kSpareColumns) * kWideTileRows, 0.f);
  const std::uint8_t* rows[kWideTileRows];
  for (int r = 0; r < kWideTileRows; ++r) {
    rows[r] = weight + std::min(row + r, end - 1) * product.row_bytes;
  }
  LaneBlock lanes[kStrips];
  std::uint8_t padded[kLaneRows][E::kBytes];
  for (std::int64_t i = 0; i * kSuperblock < product.k; ++i) {
    // The next tile follows this one without a gap: it is fetched in the order of memory.
    const std::uint8_t* later =
        weight + (row + kWideTileRows) * product.row_bytes + i * kWideTileRows * E::kBytes;
    Fetch fetch{later, later + kWideTileRows * E::kBytes};
    for (int s = 0; s < kStrips; ++s) {
      const std::uint8_t* blocks[kLaneRows];
      for (int r = 0; r < kLaneRows; ++r) blocks[r] = rows[s * kLaneRows + r] + i * E::kBytes;
      if (const std::int64_t rest = product.k - i * kSuperblock; rest < kSuperblock) {
        const std::int64_t bytes = E::kBytes / kGroups * (rest / kGroup);
        for (int r = 0; r < kLaneRows; ++r) {
          std::fill(std::copy_n(blocks[r], bytes, padded[r]), padded[r] + E::kBytes, 0);
          blocks[r] = padded[r];
        }
      }
      decode_lanes<E>(blocks, fetch, lanes[s]);
    }
    add_columns<E>(lanes, product.src + i * product.m + column, columns, fetch, sums);
  }
  const std::int64_t left = std::min(kWideTileRows, end - row);
  for (std::int64_t c = 0; c < columns; ++c) {
    std::copy_n(sums + c * kWideTileRows, left,
                product.dst + (column + c) * product.dst_stride + row);
  }
}

template <class E>
void multiply_wide(const QuantisedProduct& product, std::int64_t begin, std::int64_t end) {
  const auto most = static_cast<std::size_t>(std::min(product.m, kPassColumns) + kSpareColumns);
  const auto memory = allocate_buffer(most * kWideTileRows * sizeof(float));
  auto* sums = reinterpret_cast<float*>(memory.get());
  for (std::int64_t column = 0; column < product.m; column += kPassColumns) {
    const std::int64_t columns = std::min(kPassColumns, product.m - column);
    for (std::int64_t row = begin; row < end; row += kWideTileRows) {
      multiply_wide_tile<E>(product, row, end, column, columns, sums);
    }
  }
}

QuantisedKernel wide_target_kernel(Encoding encoding) {
  return visit_encoding(encoding, [](auto tag) -> QuantisedKernel {
    return multiply_wide<typename decltype(tag)::type>;
  });
}

#else

QuantisedKernel wide_target_kernel(Encoding) { return nullptr; }

#endif

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quern::kernels {

HWY_EXPORT(wide_target_kernel);

QuantisedKernel wide_quantised_kernel(Encoding encoding) {
  settle_targets();
  return HWY_DYNAMIC_DISPATCH(wide_target_kernel)(encoding);
}

}  // namespace quern::kernels
#endif
