// Dot products of 8-bit integers, which Highway 1.0 lacks: four neighbouring products are added to
// each 32-bit lane, exactly.
#include "kernels/load_f32-inl.h"

#if defined(QUERN_KERNELS_DOT_I8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_DOT_I8_INL_H_
#undef QUERN_KERNELS_DOT_I8_INL_H_
#else
#define QUERN_KERNELS_DOT_I8_INL_H_
#endif

#undef QUERN_DOT_VNNI
#undef QUERN_DOT_MADDUBS
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define QUERN_DOT_VNNI 1
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
#define QUERN_DOT_MADDUBS 1
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

using DU8 = hn::ScalableTag<std::uint8_t>;
using DI8 = hn::ScalableTag<std::int8_t>;
using DI32 = hn::ScalableTag<std::int32_t>;
using VU8 = hn::Vec<DU8>;
using VI8 = hn::Vec<DI8>;
using VI32 = hn::Vec<DI32>;

#if HWY_TARGET != HWY_SCALAR

#if QUERN_DOT_VNNI

/// sum + u · s, for all u and s.
HWY_INLINE VI32 dot_u8(VI32 sum, VU8 u, VI8 s) {
  return VI32{_mm512_dpbusd_epi32(sum.raw, u.raw, s.raw)};
}
/// sum + u · s, for u from 0 to 127 and s from -127 to 127.
HWY_INLINE VI32 dot_u7(VI32 sum, VU8 u, VI8 s) { return dot_u8(sum, u, s); }

#elif QUERN_DOT_MADDUBS

#if HWY_TARGET == HWY_AVX3
HWY_INLINE VI32 dot_pairs(VI32 sum, VU8 u, VI8 s) {
  const __m512i pairs = _mm512_maddubs_epi16(u.raw, s.raw);
  return VI32{_mm512_add_epi32(sum.raw, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}
HWY_INLINE VI8 negate_where_negative(VI8 v, VI8 sign) {
  return VI8{
      _mm512_mask_sub_epi8(v.raw, _mm512_movepi8_mask(sign.raw), _mm512_setzero_si512(), v.raw)};
}
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE VI32 dot_pairs(VI32 sum, VU8 u, VI8 s) {
  const __m256i pairs = _mm256_maddubs_epi16(u.raw, s.raw);
  return VI32{_mm256_add_epi32(sum.raw, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
}
HWY_INLINE VI8 negate_where_negative(VI8 v, VI8 sign) {
  return VI8{_mm256_sign_epi8(v.raw, sign.raw)};
}
#else
HWY_INLINE VI32 dot_pairs(VI32 sum, VU8 u, VI8 s) {
  const __m128i pairs = _mm_maddubs_epi16(u.raw, s.raw);
  return VI32{_mm_add_epi32(sum.raw, _mm_madd_epi16(pairs, _mm_set1_epi16(1)))};
}
HWY_INLINE VI8 negate_where_negative(VI8 v, VI8 sign) {
  return VI8{_mm_sign_epi8(v.raw, sign.raw)};
}
#endif

HWY_INLINE VI32 dot_u7(VI32 sum, VU8 u, VI8 s) { return dot_pairs(sum, u, s); }

#elif HWY_TARGET == HWY_NEON

HWY_INLINE VI32 dot_i8(VI32 sum, VI8 a, VI8 b) {
#if defined(__ARM_FEATURE_DOTPROD)
  return VI32{vdotq_s32(sum.raw, a.raw, b.raw)};
#else
  const int16x8_t low = vmull_s8(vget_low_s8(a.raw), vget_low_s8(b.raw));
  const int16x8_t high = vmull_s8(vget_high_s8(a.raw), vget_high_s8(b.raw));
  return VI32{vaddq_s32(sum.raw, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))};
#endif
}
HWY_INLINE VI32 dot_u7(VI32 sum, VU8 u, VI8 s) { return dot_i8(sum, hn::BitCast(DI8(), u), s); }

#else

HWY_INLINE VI32 dot_i8(VI32 sum, VI8 a, VI8 b) {
  const hn::ScalableTag<std::int16_t> d16;
  const auto even = [&](VI8 v) HWY_ATTR {
    return hn::ShiftRight<8>(hn::ShiftLeft<8>(hn::BitCast(d16, v)));
  };
  const auto odd = [&](VI8 v) HWY_ATTR { return hn::ShiftRight<8>(hn::BitCast(d16, v)); };
  // |a| <= 128 and |b| <= 127, so that two products fit 16 bits.
  const auto pairs =
      hn::BitCast(DI32(), hn::Add(hn::Mul(even(a), even(b)), hn::Mul(odd(a), odd(b))));
  return hn::Add(sum,
                 hn::Add(hn::ShiftRight<16>(hn::ShiftLeft<16>(pairs)), hn::ShiftRight<16>(pairs)));
}
HWY_INLINE VI32 dot_u7(VI32 sum, VU8 u, VI8 s) { return dot_i8(sum, hn::BitCast(DI8(), u), s); }

#endif

// Signed weights: prepared once with `prepare_i8`, `dot_prepared` gives sum + w · s +
// kPreparedOffset * (sum of s), for w from -128 to 127 and s from -127 to 127.
#if QUERN_DOT_VNNI
inline constexpr int kPreparedOffset = 128;
HWY_INLINE VU8 prepare_i8(VU8 w) { return hn::Xor(w, hn::Set(DU8(), 0x80)); }
HWY_INLINE VI32 dot_prepared(VI32 sum, VU8 w, VI8 s) { return dot_u7(sum, w, s); }
#else
inline constexpr int kPreparedOffset = 0;
HWY_INLINE VU8 prepare_i8(VU8 w) { return w; }
HWY_INLINE VI32 dot_prepared(VI32 sum, VU8 w, VI8 s) {
  const VI8 signed_w = hn::BitCast(DI8(), w);
#if QUERN_DOT_MADDUBS
  // |w| is at most 128 and so two products fit the 16 bits that maddubs saturates at.
  const VU8 magnitude = hn::BitCast(DU8(), hn::Abs(signed_w));
  return dot_pairs(sum, magnitude, negate_where_negative(s, signed_w));
#else
  return dot_i8(sum, signed_w, s);
#endif
}
#endif

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
