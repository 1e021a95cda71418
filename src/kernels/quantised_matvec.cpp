#include "kernels/quantised_matvec.h"

#include <algorithm>
#include <cstring>
#include <limits>

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

/// One superblock of kRows weight rows, and what is the same for all activation rows.
template <class E, int kRows>
struct WeightStep {
  GroupScales groups[kRows];
  VF32 offsets[kRows][kHalves / kFloats];

  HWY_INLINE void load_scales(const std::uint8_t* const (&blocks)[kRows]) {
    const DF32 df;
    for (int r = 0; r < kRows; ++r) {
      E::scales(blocks[r], groups[r]);
      for (int i = 0; i < kHalves / kFloats; ++i) {
        if constexpr (E::kOffsets) {
          offsets[r][i] = hn::Load(df, groups[r].offsets + i * kFloats);
        } else if constexpr (kZero != 0) {
          const VF32 scales = hn::Load(df, groups[r].scales + i * kFloats);
          offsets[r][i] = hn::Mul(scales, hn::Set(df, static_cast<float>(-kZero)));
        }
      }
    }
  }

  static constexpr int kZero = E::kSigned ? kPreparedOffset : E::kZero;
  static constexpr bool kAnyOffsets = E::kOffsets || kZero != 0;
};

template <class E>
HWY_INLINE Codes prepared_codes(const std::uint8_t* block, int first) {
  const Codes codes = E::codes(block, first);
  if constexpr (E::kSigned) {
    return {prepare_i8(codes.first), prepare_i8(codes.second)};
  } else {
    return codes;
  }
}

template <class E>
HWY_INLINE VI32 dot_codes(VI32 sum, VU8 codes, VI8 activations) {
  if constexpr (E::kSigned) {
    return dot_prepared(sum, codes, activations);
  } else {
    return dot_u7(sum, codes, activations);
  }
}

/// sums[column][row] += the products of one superblock. `src` points to the superblock's
/// activations, the next column's are `src_stride` further.
template <class E, int kRows>
HWY_INLINE void add_superblock(const std::uint8_t* const (&blocks)[kRows],
                               const ActivationBlock* src, std::int64_t src_stride, int columns,
                               VF32* sums) {
  const DF32 df;
  const DI8 d8;
  WeightStep<E, kRows> step;
  step.load_scales(blocks);
#pragma GCC unroll 8
  for (int first = 0; first < kGroups; first += kLanes) {
    Codes codes[kRows];
    VF32 scales[kRows], second_scales[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      codes[r] = prepared_codes<E>(blocks[r], first);
      scales[r] = spread_groups(step.groups[r].scales, 0, first);
      if constexpr (E::kHalved) second_scales[r] = spread_groups(step.groups[r].scales, 1, first);
    }
    for (int column = 0; column < columns; ++column) {
      const ActivationBlock& a = src[column * src_stride];
      const VI8 a_first = hn::Load(d8, a.codes + ActivationBlock::codes_at(first, 0));
      const VI8 a_second = hn::Load(d8, a.codes + ActivationBlock::codes_at(first, 1));
      const VF32 a_scales = hn::Load(df, a.scales + 4 * first);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        VF32& sum = sums[column * kRows + r];
        VI32 dot = dot_codes<E>(hn::Zero(DI32()), codes[r].first, a_first);
        if constexpr (E::kHalved) {
          sum = hn::MulAdd(hn::ConvertTo(df, dot), hn::Mul(scales[r], a_scales), sum);
          dot = dot_codes<E>(hn::Zero(DI32()), codes[r].second, a_second);
          sum = hn::MulAdd(hn::ConvertTo(df, dot), hn::Mul(second_scales[r], a_scales), sum);
        } else {
          dot = dot_codes<E>(dot, codes[r].second, a_second);
          sum = hn::MulAdd(hn::ConvertTo(df, dot), hn::Mul(scales[r], a_scales), sum);
        }
      }
    }
  }
  if constexpr (WeightStep<E, kRows>::kAnyOffsets) {
    for (int column = 0; column < columns; ++column) {
      const ActivationBlock& a = src[column * src_stride];
#pragma GCC unroll 4
      for (int i = 0; i < kHalves / kFloats; ++i) {
        const VF32 a_sums = hn::Load(df, a.sums + i * kFloats);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          VF32& sum = sums[column * kRows + r];
          sum = hn::MulAdd(step.offsets[r][i], a_sums, sum);
        }
      }
    }
  }
}

/// kRows weight rows times `columns` activation rows.
template <class E, int kRows, int kColumns>
HWY_INLINE void multiply_tile(const std::uint8_t* const (&rows)[kRows], std::int64_t k,
                              const ActivationBlock* src, int columns, VF32* sums) {
  const std::int64_t src_stride = superblocks(k);
  const std::int64_t whole = k / kSuperblock;
  for (int i = 0; i < columns * kRows; ++i) sums[i] = hn::Zero(DF32());
  const std::uint8_t* blocks[kRows];
  for (std::int64_t i = 0; i < whole; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) blocks[r] = rows[r] + i * E::kBytes;
    add_superblock<E, kRows>(blocks, src + i, src_stride, columns, sums);
  }
  if (const std::int64_t rest = k % kSuperblock; rest > 0) {
    std::uint8_t padded[kRows][E::kBytes] = {};
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(padded[r], rows[r] + whole * E::kBytes,
                  static_cast<std::size_t>(E::kBytes / kGroups * (rest / kGroup)));
      blocks[r] = padded[r];
    }
    add_superblock<E, kRows>(blocks, src + whole, src_stride, columns, sums);
  }
}

template <class E, int kRows, int kColumns>
void multiply(const QuantisedProduct& product, std::int64_t begin, std::int64_t end) {
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
      multiply_tile<E, kRows, kColumns>(
          rows, product.k, product.src + column * superblocks(product.k), columns, sums);
      for (int i = 0; i < columns; ++i) {
        float* dst = product.dst + (column + i) * product.dst_stride + row;
        for (int r = 0; r < kRows && row + r < end; ++r) {
          dst[r] = hn::GetLane(hn::SumOfLanes(df, sums[i * kRows + r]));
        }
      }
    }
  }
}

template <class E>
void multiply_rows_of(const QuantisedProduct& product, std::int64_t begin, std::int64_t end) {
  if (product.m == 1) return multiply<E, 4, 1>(product, begin, end);
  multiply<E, 2, kMaxColumns>(product, begin, end);
}

QuantisedKernel target_kernel(Encoding encoding) {
  return visit_encoding(encoding, [](auto tag) -> QuantisedKernel {
    return multiply_rows_of<typename decltype(tag)::type>;
  });
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
    const auto code = hn::NearestInt(hn::Mul(hn::LoadU(df, src + i), hn::Set(df, inverse)));
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

void quantise(const float* src, std::int64_t k, ActivationBlock* dst) {
  for (; k >= kSuperblock; k -= kSuperblock) {
    quantise_superblock(src, *dst++);
    src += kSuperblock;
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

void quantise_row(const float* src, std::int64_t k, ActivationBlock* dst) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(quantise)(src, k, dst);
}

}  // namespace quern::kernels
#endif
