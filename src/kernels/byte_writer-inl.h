// Stores of floats as bytes.
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "kernels/bytes.h"

#if defined(QUERN_KERNELS_BYTE_WRITER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_BYTE_WRITER_INL_H_
#undef QUERN_KERNELS_BYTE_WRITER_INL_H_
#else
#define QUERN_KERNELS_BYTE_WRITER_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ByteFloats = hn::ScalableTag<float>;
using ByteInts = hn::RebindToSigned<ByteFloats>;
using ByteLanes = hn::Rebind<std::uint8_t, ByteFloats>;
using ByteFloat = hn::Vec<ByteFloats>;

constexpr std::int64_t kMostLanes = HWY_MAX_BYTES / sizeof(float);

/// Stores round(value) + zero, within the range of the bytes.
class ByteWriter {
 public:
  ByteWriter(ResultBytes dst, float zero)
      : data_(static_cast<std::uint8_t*>(dst.data)),
        low_(hn::Set(ByteFloats(), (dst.is_signed ? -128.f : 0.f) - zero)),
        high_(hn::Set(ByteFloats(), (dst.is_signed ? 127.f : 255.f) - zero)),
        zero_(hn::Set(ByteInts(), static_cast<std::int32_t>(zero))),
        sign_(hn::Set(ByteInts(), dst.is_signed ? 0x80 : 0)),
        sign_byte_(hn::Set(ByteLanes(), static_cast<std::uint8_t>(dst.is_signed ? 0x80 : 0))) {}

  HWY_INLINE void store(ByteFloat value, std::int64_t at) const {
    hn::StoreU(narrow(value), ByteLanes(), data_ + at);
  }
  HWY_INLINE void store(ByteFloat value, std::int64_t at, std::int64_t count) const {
    std::uint8_t part[kMostLanes];
    hn::StoreU(narrow(value), ByteLanes(), part);
    std::copy_n(part, count, data_ + at);
  }

 private:
  HWY_INLINE hn::Vec<ByteLanes> narrow(ByteFloat value) const {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    // The larger of NaN and a number is the second. What is bounded needs none of the care that
    // Highway's conversions take of other values.
    const ByteFloat raised{_mm512_max_ps(value.raw, low_.raw)};
    const hn::Vec<ByteInts> rounded{_mm512_cvtps_epi32(hn::Min(raised, high_).raw)};
    return hn::Vec<ByteLanes>{_mm512_cvtepi32_epi8(hn::Add(rounded, zero_).raw)};
#else
    const auto raised = hn::IfThenElse(hn::Gt(value, low_), value, low_);  // NaN is not greater
    const auto bounded = hn::Min(raised, high_);
    const auto stored = hn::Add(hn::NearestInt(bounded), zero_);
    return hn::Xor(hn::DemoteTo(ByteLanes(), hn::Add(stored, sign_)), sign_byte_);
#endif
  }

  std::uint8_t* data_;
  ByteFloat low_, high_;
  hn::Vec<ByteInts> zero_, sign_;
  hn::Vec<ByteLanes> sign_byte_;
};

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
