// e to the power of each float of a vector.
#include <hwy/highway.h>

#include <limits>

#if defined(QUERN_KERNELS_EXPONENTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_EXPONENTIAL_INL_H_
#undef QUERN_KERNELS_EXPONENTIAL_INL_H_
#else
#define QUERN_KERNELS_EXPONENTIAL_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// exp(x) / 2^n, where that is from sqrt(1/2) to sqrt(2): with r = x - n * ln(2), 1 + r + r² times
/// a minimax polynomial (3e-9).
template <class V>
HWY_INLINE V exponential_part(V x, V n) {
  const hn::ScalableTag<float> d;
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693145752f), x);  // ln(2), in a short part
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6f), r);  // and what it leaves
  V sum = hn::Set(d, 0.0013814613f);
  for (const float factor : {0.00836871f, 0.04166839f, 0.16666521f, 0.49999994f, 1.f, 1.f})
    sum = hn::MulAdd(sum, r, hn::Set(d, factor));
  return sum;
}

/// exp(x) within 2 units in the last place: 0 far below 0 (where f32 has no normal numbers, or
/// none), infinity far above, NaN of NaN.
template <class V>
HWY_INLINE V exponential(V x) {
  const hn::ScalableTag<float> d;
  const V per_power = hn::Set(d, 1.44269504f);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // One instruction multiplies by 2^n, and ends in 0 or infinity. Min and Max give their second
  // operand with NaN.
  const V limit = hn::Set(d, 104.f);
  x = hn::Min(limit, hn::Max(hn::Neg(limit), x));
  const V n = hn::Round(hn::Mul(x, per_power));
  return V{_mm512_scalef_ps(exponential_part(x, n).raw, n.raw)};
#else
  // n goes straight into the exponent's bits, which from `lowest` to `highest` have room for it.
  const hn::RebindToSigned<decltype(d)> di;
  const V lowest = hn::Set(d, -87.3f);
  const V highest = hn::Set(d, 88.7f);
  const V within = hn::Min(hn::Max(x, lowest), highest);
  const auto n = hn::NearestInt(hn::Mul(within, per_power));
  const V part = exponential_part(within, hn::ConvertTo(d, n));
  const V power = hn::BitCast(d, hn::Add(hn::BitCast(di, part), hn::ShiftLeft<23>(n)));
  const V infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  const V above = hn::IfThenElse(hn::Le(x, highest), power, hn::Mul(x, infinity));  // NaN too
  return hn::IfThenZeroElse(hn::Lt(x, lowest), above);
#endif
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
