// Loads of dense weights as f32 vectors.
#include "kernels/simd-inl.h"
#include "quern/dtype.h"

#if defined(QUERN_KERNELS_LOAD_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_LOAD_F32_INL_H_
#undef QUERN_KERNELS_LOAD_F32_INL_H_
#else
#define QUERN_KERNELS_LOAD_F32_INL_H_
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF32 = hn::ScalableTag<float>;
using VF32 = hn::Vec<DF32>;

inline constexpr int kFloats = HWY_LANES(float);

HWY_INLINE VF32 load_f32(const float* p) { return hn::LoadU(DF32(), p); }

HWY_INLINE VF32 load_f32(const BFloat16* p) {
  const hn::RebindToUnsigned<DF32> d32;
  const hn::Rebind<std::uint16_t, DF32> d16;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(p));
  return hn::BitCast(DF32(), hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

HWY_INLINE VF32 load_f32(const Float16* p) {
  const hn::Rebind<std::uint16_t, DF32> d16;
  const hn::Rebind<hwy::float16_t, DF32> dh;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(p));
  return hn::PromoteTo(DF32(), hn::BitCast(dh, bits));
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
