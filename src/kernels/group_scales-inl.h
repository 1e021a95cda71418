// Scales of a superblock's groups, as vectors.
#include <cstring>

#include "kernels/lanes-inl.h"

#if defined(QUERN_KERNELS_GROUP_SCALES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_GROUP_SCALES_INL_H_
#undef QUERN_KERNELS_GROUP_SCALES_INL_H_
#else
#define QUERN_KERNELS_GROUP_SCALES_INL_H_
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

template <class T>
HWY_INLINE T load_as(const std::uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

HWY_INLINE float load_f16(const std::uint8_t* p) {
  const hn::FixedTag<float, 1> df;
  const hn::Rebind<std::uint16_t, decltype(df)> d16;
  const hn::Rebind<hwy::float16_t, decltype(df)> dh;
  const auto bits = hn::Set(d16, load_as<std::uint16_t>(p));
  return hn::GetLane(hn::PromoteTo(df, hn::BitCast(dh, bits)));
}

using DBytes16 = hn::FixedTag<std::uint8_t, 16>;
using Bytes16 = hn::Vec<DBytes16>;

HWY_INLINE Bytes16 bytes_of(std::uint64_t low, std::uint64_t high) {
  const hn::FixedTag<std::uint64_t, 1> d1;
  const hn::FixedTag<std::uint64_t, 2> d2;
  return hn::BitCast(DBytes16(), hn::Combine(d2, hn::Set(d1, high), hn::Set(d1, low)));
}

inline constexpr int kScaleVectors = kHalves / kFloats;

/// 16 integers of type T as 32-bit ones.
template <class T>
HWY_INLINE void promote(Bytes16 bytes, VI32 (&out)[kScaleVectors]) {
  const hn::FixedTag<T, 16> d16;
  const hn::Rebind<T, DI32> d;
  if constexpr (kScaleVectors == 1) {
    out[0] = hn::PromoteTo(DI32(), hn::BitCast(d, bytes));
  } else {
    alignas(16) T stored[kHalves];
    hn::Store(hn::BitCast(d16, bytes), d16, stored);
    for (int i = 0; i < kScaleVectors; ++i) {
      out[i] = hn::PromoteTo(DI32(), hn::LoadU(d, stored + i * kFloats));
    }
  }
}

/// 8 f16, twice. A template, so that what other sizes of vectors need is not compiled.
template <class D, class V>
HWY_INLINE void widen_halves(D df, V bits, hn::Vec<D> (&out)[kScaleVectors]) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<hwy::float16_t, D> dh;
  if constexpr (kScaleVectors == 1) {
    out[0] = hn::PromoteTo(df, hn::BitCast(dh, hn::Combine(d16, bits, bits)));
  } else if constexpr (kScaleVectors == 2) {
    out[0] = out[1] = hn::PromoteTo(df, hn::BitCast(dh, bits));
  } else {
    out[0] = out[2] = hn::PromoteTo(df, hn::BitCast(dh, hn::LowerHalf(d16, bits)));
    out[1] = out[3] = hn::PromoteTo(df, hn::BitCast(dh, hn::UpperHalf(d16, bits)));
  }
}

/// 16 floats, [half of the group][group], where halves do not differ both alike.
struct GroupFloats {
  VF32 parts[kScaleVectors];

  HWY_INLINE void fill(float value) {
    for (VF32& part : parts) part = hn::Set(DF32(), value);
  }

  /// From 16 integers of type T.
  template <class T>
  HWY_INLINE void convert(Bytes16 bytes) {
    VI32 wide[kScaleVectors];
    promote<T>(bytes, wide);
    for (int i = 0; i < kScaleVectors; ++i) parts[i] = hn::ConvertTo(DF32(), wide[i]);
  }

  /// From 8 f16, the same for both halves.
  HWY_INLINE void widen_f16(Bytes16 bytes) {
    widen_halves(DF32(), hn::BitCast(hn::FixedTag<std::uint16_t, 8>(), bytes), parts);
  }

  /// From 8 floats `stride` bytes apart, the same for both halves.
  HWY_INLINE void load(const std::uint8_t* p, int stride) {
    alignas(64) float floats[kHalves];
    for (int i = 0; i < kGroups; ++i)
      floats[i] = floats[kGroups + i] = load_as<float>(p + i * stride);
    for (int i = 0; i < kScaleVectors; ++i) parts[i] = hn::LoadU(DF32(), floats + i * kFloats);
  }

  HWY_INLINE void multiply(float factor) {
    for (VF32& part : parts) part = hn::Mul(part, hn::Set(DF32(), factor));
  }

  /// The floats of 8 groups in `low` for both halves; those in `high` likewise in `other`.
  HWY_INLINE void split(GroupFloats& other) {
    if constexpr (kScaleVectors == 1) {
      other.parts[0] = hn::ConcatUpperUpper(DF32(), parts[0], parts[0]);
      parts[0] = hn::ConcatLowerLower(DF32(), parts[0], parts[0]);
    } else {
      constexpr int kPart = kScaleVectors / 2;
      for (int i = 0; i < kPart; ++i) {
        other.parts[i] = other.parts[i + kPart] = parts[i + kPart];
        parts[i + kPart] = parts[i];
      }
    }
  }

  /// One float a group for each 32-bit lane: four times that of group `first`, four times the
  /// next's, and so on.
  HWY_INLINE VF32 spread(int half, int first) const {
    const int at = kGroups * half + first;
    const auto indices = hn::SetTableIndices(DF32(), kLaneOfGroup.lanes + 4 * at);
    return hn::TableLookupLanes(parts[at / kFloats], indices);
  }
};

/// value = scale * (code - zero of the encoding) + offset.
struct GroupScales {
  GroupFloats scales;
  GroupFloats offsets;  ///< unset where the encoding has none
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
