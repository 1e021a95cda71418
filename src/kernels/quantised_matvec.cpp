#include "kernels/quantised_matvec.h"

#include <algorithm>
#include <limits>

#include "kernels/prefetch.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantised_matvec.cpp"
#include <hwy/foreach_target.h>

#include "kernels/encodings-inl.h"

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

inline constexpr int kMaxColumns = 16;
/// Weight rows that several columns share a load of activations for. One column takes rows one by
/// one: memory is read fastest from the first byte to the last.
inline constexpr int kTileRows = 2;

/// Zero point of the codes as the dot products see them.
template <class E>
inline constexpr int kZeroOf = E::kSigned ? kPreparedOffset : E::kZero;
template <class E>
inline constexpr bool kHasOffsets = E::kOffsets || kZeroOf<E> != 0;

/// Scales of all groups, and the offsets of those that have any, zero points included.
template <class E>
HWY_INLINE void load_scales(const std::uint8_t* block, GroupScales& groups) {
  E::scales(block, groups);
  if constexpr (!E::kOffsets && kZeroOf<E> != 0) {
    groups.offsets = groups.scales;
    groups.offsets.multiply(static_cast<float>(-kZeroOf<E>));
  }
}

/// Codes and scales of the groups that one vector spans.
template <class E>
struct WeightChunk {
  Codes codes;
  VF32 scales, second_scales;

  HWY_INLINE void load(const std::uint8_t* block, const GroupScales& groups, int first) {
    codes = E::codes(block, first);
    if constexpr (E::kSigned) codes = {prepare_i8(codes.first), prepare_i8(codes.second)};
    scales = groups.scales.spread(0, first);
    if constexpr (E::kHalved) second_scales = groups.scales.spread(1, first);
  }

  HWY_INLINE VF32 add_products(VF32 sum, VI8 first, VI8 second, VF32 a_scales) const {
    const DF32 df;
    const VI32 zero = hn::Zero(DI32());
    if constexpr (E::kHalved) {
      const VF32 a = hn::ConvertTo(df, dot(zero, codes.first, first));
      const VF32 b = hn::ConvertTo(df, dot(zero, codes.second, second));
      sum = hn::MulAdd(a, hn::Mul(scales, a_scales), sum);
      return hn::MulAdd(b, hn::Mul(second_scales, a_scales), sum);
    } else {
      const VI32 both = dot(dot(zero, codes.first, first), codes.second, second);
      return hn::MulAdd(hn::ConvertTo(df, both), hn::Mul(scales, a_scales), sum);
    }
  }

  static HWY_INLINE VI32 dot(VI32 sum, VU8 weights, VI8 activations) {
    if constexpr (E::kSigned) {
      return dot_prepared(sum, weights, activations);
    } else {
      return dot_u7(sum, weights, activations);
    }
  }
};

/// sums[column][row] += the products of one superblock. `src` points to the superblock's
/// activations, the next column's follow.
template <class E, int kRows>
HWY_INLINE void add_superblock(const std::uint8_t* const (&blocks)[kRows],
                               const ActivationBlock* src, int columns, VF32* sums) {
  const DF32 df;
  const DI8 d8;
  GroupScales groups[kRows];
  for (int r = 0; r < kRows; ++r) load_scales<E>(blocks[r], groups[r]);
#pragma GCC unroll 2
  for (int first = 0; first < kGroups; first += kLanes) {
    WeightChunk<E> chunks[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) chunks[r].load(blocks[r], groups[r], first);
    for (int column = 0; column < columns; ++column) {
      const ActivationBlock& a = src[column];
      VF32 totals[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) totals[r] = sums[column * kRows + r];
      if (kHasOffsets<E> && first == 0) {
#pragma GCC unroll 4
        for (int i = 0; i < kScaleVectors; ++i) {
          const VF32 a_sums = hn::Load(df, a.sums + i * kFloats);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) {
            totals[r] = hn::MulAdd(groups[r].offsets.parts[i], a_sums, totals[r]);
          }
        }
      }
      const VI8 a_first = hn::Load(d8, a.codes + ActivationBlock::codes_at(first, 0));
      const VI8 a_second = hn::Load(d8, a.codes + ActivationBlock::codes_at(first, 1));
      const VF32 a_scales = hn::Load(df, a.scales + 4 * first);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        totals[r] = chunks[r].add_products(totals[r], a_first, a_second, a_scales);
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sums[column * kRows + r] = totals[r];
    }
  }
}

/// kRows neighbouring weight rows times `columns` activation rows, of which `src` has `m`.
template <class E, int kRows>
HWY_INLINE void multiply_tile(const std::uint8_t* const (&rows)[kRows], std::int64_t k,
                              const ActivationBlock* src, std::int64_t m, int columns, VF32* sums) {
  for (int i = 0; i < columns * kRows; ++i) sums[i] = hn::Zero(DF32());
  const std::uint8_t* next_tile = rows[0] + kRows * (E::kBytes / kGroups * (k / kGroup));
  std::uint8_t padded[kRows][E::kBytes];
  for (std::int64_t i = 0; i * kSuperblock < k; ++i) {
    if constexpr (kRows > 1) prefetch(next_tile + i * kRows * E::kBytes, kRows * E::kBytes);
    const std::uint8_t* blocks[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) blocks[r] = rows[r] + i * E::kBytes;
    if (const std::int64_t rest = k - i * kSuperblock; rest < kSuperblock) [[unlikely]] {
      const std::int64_t bytes = E::kBytes / kGroups * (rest / kGroup);
      for (int r = 0; r < kRows; ++r) {
        std::fill(std::copy_n(blocks[r], bytes, padded[r]), padded[r] + E::kBytes, 0);
        blocks[r] = padded[r];
      }
    }
    add_superblock<E, kRows>(blocks, src + i * m, columns, sums);
  }
}

template <class E, int kRows, int kColumns>
void multiply_columns(const QuantisedProduct& product, std::int64_t begin, std::int64_t end) {
  const auto* weight = reinterpret_cast<const std::uint8_t*>(product.weight);
  const DF32 df;
  VF32 sums[kRows * kColumns];
  for (std::int64_t row = begin; row < end; row += kRows) {
    const std::uint8_t* rows[kRows];
    for (int r = 0; r < kRows; ++r) {
      rows[r] = weight + std::min(row + r, end - 1) * product.row_bytes;
    }
    for (std::int64_t column = 0; column < product.m; column += kColumns) {
      const int columns =
          kColumns == 1 ? 1
                        : static_cast<int>(std::min<std::int64_t>(kColumns, product.m - column));
      multiply_tile<E, kRows>(rows, product.k, product.src + column, product.m, columns, sums);
      for (int i = 0; i < columns; ++i) {
        float* dst = product.dst + (column + i) * product.dst_stride + row;
        for (int r = 0; r < kRows && row + r < end; ++r) {
          dst[r] = hn::GetLane(hn::SumOfLanes(df, sums[i * kRows + r]));
        }
      }
    }
  }
}

/// One column keeps its sums in registers.
template <class E>
void multiply(const QuantisedProduct& product, std::int64_t begin, std::int64_t end) {
  if (product.m == 1) return multiply_columns<E, 1, 1>(product, begin, end);
  multiply_columns<E, kTileRows, kMaxColumns>(product, begin, end);
}

QuantisedKernel target_kernel(Encoding encoding) {
  return visit_encoding(
      encoding, [](auto tag) -> QuantisedKernel { return multiply<typename decltype(tag)::type>; });
}

#else

QuantisedKernel target_kernel(Encoding) { return nullptr; }

#endif

/// Rounds the 16 values of half a group; returns the sum of their codes.
HWY_INLINE std::int32_t quantise_half(const float* src, float inverse, std::int8_t* codes) {
  const hn::CappedTag<float, kHalf> df;
  const hn::Rebind<std::int32_t, decltype(df)> di;
  const hn::Rebind<std::int8_t, decltype(df)> d8;
  auto sum = hn::Zero(di);
  for (std::size_t i = 0; i < kHalf; i += hn::Lanes(df)) {
    const auto nearest = hn::NearestInt(hn::Mul(hn::LoadU(df, src + i), hn::Set(df, inverse)));
    // What is not finite has no nearest integer; its scale is NaN, but the sum must not overflow.
    const auto code = hn::Max(hn::Min(nearest, hn::Set(di, 127)), hn::Set(di, -127));
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + i);
    sum = hn::Add(sum, code);
  }
  return hn::GetLane(hn::SumOfLanes(di, sum));
}

HWY_INLINE void quantise_superblock(const float* src, ActivationBlock& dst) {
  const hn::CappedTag<float, kHalf> df;
  for (int group = 0; group < kGroups; ++group) {
    const float* values = src + group * kGroup;
    auto largest = hn::Zero(df);
    auto poison = hn::Zero(df);  // NaN where a value is not finite, so that products are NaN too
    for (std::size_t i = 0; i < kGroup; i += hn::Lanes(df)) {
      const auto value = hn::LoadU(df, values + i);
      largest = hn::Max(largest, hn::Abs(value));
      poison = hn::MulAdd(value, hn::Zero(df), poison);
    }
    float scale = hn::GetLane(hn::MaxOfLanes(df, largest)) / 127.f;
    if (scale < std::numeric_limits<float>::min()) scale = 0.f;
    const float inverse = scale > 0.f ? 1.f / scale : 0.f;
    scale += hn::GetLane(hn::SumOfLanes(df, poison));
    for (int lane = 0; lane < 4; ++lane) dst.scales[4 * group + lane] = scale;
    for (int half = 0; half < 2; ++half) {
      const std::int32_t sum = quantise_half(values + half * kHalf, inverse,
                                             dst.codes + ActivationBlock::codes_at(group, half));
      dst.sums[kGroups * half + group] = scale * static_cast<float>(sum);
    }
  }
}

void quantise(const float* src, std::int64_t k, ActivationBlock* dst, std::int64_t dst_stride) {
  for (; k >= kSuperblock; k -= kSuperblock) {
    quantise_superblock(src, *dst);
    src += kSuperblock;
    dst += dst_stride;
  }
  if (k == 0) return;
  float padded[kSuperblock] = {};
  std::copy_n(src, k, padded);
  quantise_superblock(padded, *dst);
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quern::kernels {

HWY_EXPORT(target_kernel);
HWY_EXPORT(quantise);

QuantisedKernel quantised_kernel(Encoding encoding) {
  settle_targets();
  return HWY_DYNAMIC_DISPATCH(target_kernel)(encoding);
}

void quantise_row(const float* src, std::int64_t k, ActivationBlock* dst, std::int64_t dst_stride) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(quantise)(src, k, dst, dst_stride);
}

}  // namespace quern::kernels
#endif
