// e to the power of each float of a vector.
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#if defined(QUERN_KERNELS_EXPONENTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_EXPONENTIAL_INL_H_
#undef QUERN_KERNELS_EXPONENTIAL_INL_H_
#else
#define QUERN_KERNELS_EXPONENTIAL_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// exp(x) within 2 units in the last place: 0 far below 0, infinity far above, NaN of NaN.
template <class V>
HWY_INLINE V exponential(V x) {
  const hn::ScalableTag<float> d;
  const V limit = hn::Set(d, 104.f);  // 0 or infinite well before
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // 2^n * exp(r), |r| <= ln(2) / 2: 1 + r + r² times a minimax polynomial (3e-9). One instruction
  // multiplies by 2^n, and ends in 0 or infinity. Min and Max give their second operand with NaN.
  x = hn::Min(limit, hn::Max(hn::Neg(limit), x));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693145752f), x);  // ln(2), in a short part
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-6f), r);  // and what it leaves
  V power = hn::Set(d, 0.0013814613f);
  for (const float factor : {0.00836871f, 0.04166839f, 0.16666521f, 0.49999994f, 1.f, 1.f})
    power = hn::MulAdd(power, r, hn::Set(d, factor));
  return V{_mm512_scalef_ps(power.raw, n.raw)};
#else
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, hn::Min(x, limit)));
#endif
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
