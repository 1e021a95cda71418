// Walks over the floats of one row.
#include <hwy/highway.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/exponential-inl.h"

#if defined(QUERN_KERNELS_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_ROWS_INL_H_
#undef QUERN_KERNELS_ROWS_INL_H_
#else
#define QUERN_KERNELS_ROWS_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A mask of all lanes, known as such: on some CPUs a masked store takes twenty times as long.
struct AllLanes {};

template <class Mask>
HWY_INLINE auto load(Mask mask, const float* p) {
  return hn::MaskedLoad(mask, hn::ScalableTag<float>(), p);
}
HWY_INLINE auto load(AllLanes, const float* p) { return hn::LoadU(hn::ScalableTag<float>(), p); }

template <class V, class Mask>
HWY_INLINE void store(V v, Mask mask, float* p) {
  hn::BlendedStore(v, mask, hn::ScalableTag<float>(), p);
}
template <class V>
HWY_INLINE void store(V v, AllLanes, float* p) {
  hn::StoreU(v, hn::ScalableTag<float>(), p);
}

template <class V, class Mask>
HWY_INLINE V keep(Mask mask, V v, V other) {
  return hn::IfThenElse(mask, v, other);
}
template <class V>
HWY_INLINE V keep(AllLanes, V v, V) {
  return v;
}

/// function(i, mask) for each vector of a row; the mask leaves out what lies beyond its end.
template <class Function>
HWY_INLINE void for_each_vector(std::int64_t size, const Function& function) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) function(i, AllLanes());
  if (i < size) function(i, hn::FirstN(d, static_cast<std::size_t>(size - i)));
}

/// What softmax takes off each float of a row before its exponential: the largest. NaN where no
/// softmax is defined: the row has a NaN, an infinity above, or nothing above -infinity.
HWY_INLINE float softmax_shift(const float* src, std::int64_t size) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const hn::ScalableTag<float> d;
  const auto lowest = hn::Set(d, -kInfinity);
  auto largest = lowest;
  auto is_nan = hn::FirstN(d, 0);
  for_each_vector(size, [&](std::int64_t i, auto mask) {
    const auto x = keep(mask, load(mask, src + i), lowest);
    is_nan = hn::Or(is_nan, hn::IsNaN(x));
    largest = hn::Max(largest, x);
  });
  const float top = hn::GetLane(hn::MaxOfLanes(d, largest));
  const bool defined = hn::AllFalse(d, is_nan) && !std::isinf(top);
  return defined ? top : std::numeric_limits<float>::quiet_NaN();
}

/// The sum of exp(src - shift) over a row; each of them goes to dst too unless that is null. dst
/// may be src.
HWY_INLINE float sum_of_exponentials(const float* src, std::int64_t size, float shift, float* dst) {
  const hn::ScalableTag<float> d;
  const auto shifts = hn::Set(d, shift);
  auto sums = hn::Zero(d);
  for_each_vector(size, [&](std::int64_t i, auto mask) {
    const auto power = exponential(hn::Sub(load(mask, src + i), shifts));
    sums = hn::Add(sums, keep(mask, power, hn::Zero(d)));
    if (dst != nullptr) store(power, mask, dst + i);
  });
  return hn::GetLane(hn::SumOfLanes(d, sums));
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
