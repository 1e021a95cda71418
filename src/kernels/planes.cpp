#include "kernels/planes.h"

#include "core/parallel.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/planes.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Pixels `begin` to `end` of planes of `places`.
template <int planes, class T>
void interleave_range(const T* src, std::int64_t places, std::int64_t begin, std::int64_t end,
                      T* dst) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto plane = [&](int c, std::int64_t i) { return hn::LoadU(d, src + c * places + i); };
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    T* pixel = dst + i * planes;
    if constexpr (planes == 2) hn::StoreInterleaved2(plane(0, i), plane(1, i), d, pixel);
    if constexpr (planes == 3)
      hn::StoreInterleaved3(plane(0, i), plane(1, i), plane(2, i), d, pixel);
    if constexpr (planes == 4)
      hn::StoreInterleaved4(plane(0, i), plane(1, i), plane(2, i), plane(3, i), d, pixel);
  }
  for (; i < end; ++i) {
    for (int c = 0; c < planes; ++c) dst[i * planes + c] = src[c * places + i];
  }
}

template <class T>
void interleave_of(const T* src, int planes, std::int64_t places, std::int64_t begin,
                   std::int64_t end, T* dst) {
  if (planes == 2) interleave_range<2>(src, places, begin, end, dst);
  if (planes == 3) interleave_range<3>(src, places, begin, end, dst);
  if (planes == 4) interleave_range<4>(src, places, begin, end, dst);
}

void interleave(const void* src, int planes, std::int64_t places, int element_size,
                std::int64_t begin, std::int64_t end, void* dst) {
  const auto as = [&](auto element) {
    using T = decltype(element);
    interleave_of(static_cast<const T*>(src), planes, places, begin, end, static_cast<T*>(dst));
  };
  if (element_size == 1) as(std::uint8_t{});
  if (element_size == 2) as(std::uint16_t{});
  if (element_size == 4) as(float{});
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(interleave);

}  // namespace

void interleave_planes(const void* src, int planes, std::int64_t places, int element_size,
                       void* dst) {
  constexpr std::int64_t kGrain = 32768;  // bytes of a plane worth a thread's while
  settle_targets();
  parallel_for(places, kGrain / element_size, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(interleave)(src, planes, places, element_size, begin, end, dst);
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
