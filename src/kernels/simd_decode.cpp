#include "kernels/simd_decode.h"

#include <algorithm>
#include <cstring>

#include "core/block_format.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd_decode.cpp"
#include <hwy/foreach_target.h>

#include "kernels/encodings-inl.h"

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

template <class E>
HWY_INLINE void decode_half(const std::uint8_t* codes, float scale, float offset, float* out) {
  const hn::CappedTag<float, kHalf> df;
  const hn::Rebind<std::int32_t, decltype(df)> di;
  const hn::Rebind<std::conditional_t<E::kSigned, std::int8_t, std::uint8_t>, decltype(df)> d8;
  using Code = hn::TFromD<decltype(d8)>;
  for (std::size_t i = 0; i < kHalf; i += hn::Lanes(df)) {
    auto code = hn::PromoteTo(di, hn::LoadU(d8, reinterpret_cast<const Code*>(codes) + i));
    if constexpr (E::kZero != 0) code = hn::Sub(code, hn::Set(di, E::kZero));
    const auto wide = hn::ConvertTo(df, code);
    const auto scales = hn::Set(df, scale);
    hn::StoreU(E::kOffsets ? hn::MulAdd(wide, scales, hn::Set(df, offset)) : hn::Mul(wide, scales),
               df, out + i);
  }
}

template <class E>
HWY_INLINE void decode_superblock(const std::uint8_t* block, float* out) {
  GroupScales groups;
  E::scales(block, groups);
  alignas(64) float scales[kHalves], offsets[kHalves];
  for (int i = 0; i < kScaleVectors; ++i) {
    hn::Store(groups.scales.parts[i], DF32(), scales + i * kFloats);
    if constexpr (E::kOffsets) hn::Store(groups.offsets.parts[i], DF32(), offsets + i * kFloats);
  }
  alignas(64) std::uint8_t bytes[kSuperblock];
  for (int first = 0; first < kGroups; first += kLanes) {
    const Codes codes = E::codes(block, first);
    hn::Store(codes.first, DU8(), bytes + ActivationBlock::codes_at(first, 0));
    hn::Store(codes.second, DU8(), bytes + ActivationBlock::codes_at(first, 1));
  }
  for (int i = 0; i < kHalves; ++i) {
    const int at = kGroups * (i % 2) + i / 2;
    decode_half<E>(bytes + ActivationBlock::codes_at(i / 2, i % 2), scales[at],
                   E::kOffsets ? offsets[at] : 0.f, out + kHalf * i);
  }
}

template <class E>
void decode(Encoding, const std::byte* blocks, float* values, std::int64_t count) {
  const auto* block = reinterpret_cast<const std::uint8_t*>(blocks);
  for (; count >= kSuperblock; count -= kSuperblock) {
    decode_superblock<E>(block, values);
    block += E::kBytes;
    values += kSuperblock;
  }
  if (count == 0) return;
  std::uint8_t padded[E::kBytes] = {};
  float rest[kSuperblock];
  std::memcpy(padded, block, static_cast<std::size_t>(E::kBytes / kGroups * (count / kGroup)));
  decode_superblock<E>(padded, rest);
  std::copy_n(rest, count, values);
}

DecodeBlocks target_decoder(Encoding encoding) {
  return visit_encoding(
      encoding, [](auto tag) -> DecodeBlocks { return decode<typename decltype(tag)::type>; });
}

#else

DecodeBlocks target_decoder(Encoding) { return nullptr; }

#endif

void round_row(const float* src, BFloat16* dst, std::int64_t count) {
  const hn::ScalableTag<float> df;
  const hn::RebindToUnsigned<decltype(df)> du;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<std::uint16_t, decltype(df)> d16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(df));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::LoadU(df, src + i);
    const auto bits = hn::BitCast(du, value);
    const auto upper = hn::ShiftRight<16>(bits);
    const auto odd = hn::And(upper, hn::Set(du, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff))));
    const auto quiet = hn::Or(upper, hn::Set(du, 0x40));
    const auto nan = hn::RebindMask(du, hn::IsNaN(value));
    const auto result = hn::BitCast(di, hn::IfThenElse(nan, quiet, rounded));
    hn::StoreU(hn::DemoteTo(d16, result), d16, reinterpret_cast<std::uint16_t*>(dst + i));
  }
  for (; i < count; ++i) dst[i] = BFloat16(src[i]);
}

template <class T>
void widen_elements(const std::byte* src, float* dst, std::int64_t count) {
  const auto* elements = reinterpret_cast<const T*>(src);
  std::int64_t i = 0;
  for (; i + kFloats <= count; i += kFloats) {
    hn::StoreU(load_f32(elements + i), DF32(), dst + i);
  }
  for (; i < count; ++i) {
    T element;
    std::memcpy(&element, elements + i, sizeof element);
    dst[i] = element;
  }
}

void widen_row(DType dtype, const std::byte* src, float* dst, std::int64_t count) {
  if (dtype == DType::f32) return widen_elements<float>(src, dst, count);
  if (dtype == DType::bf16) return widen_elements<BFloat16>(src, dst, count);
  widen_elements<Float16>(src, dst, count);
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quern::kernels {

HWY_EXPORT(target_decoder);
HWY_EXPORT(round_row);
HWY_EXPORT(widen_row);

DecodeBlocks block_decoder(Encoding encoding) {
  settle_targets();
  const DecodeBlocks decoder = HWY_DYNAMIC_DISPATCH(target_decoder)(encoding);
  return decoder != nullptr ? decoder : quern::decode_blocks;
}

void round_to_bf16(const float* src, BFloat16* dst, std::int64_t count) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(round_row)(src, dst, count);
}

void widen_to_f32(DType dtype, const std::byte* src, float* dst, std::int64_t count) {
  settle_targets();
  HWY_DYNAMIC_DISPATCH(widen_row)(dtype, src, dst, count);
}

}  // namespace quern::kernels
#endif
