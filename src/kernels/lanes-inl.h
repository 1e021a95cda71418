// Loads and shifts by 16-byte lanes: lane i of a vector works on group `first + i` of a superblock.
#include "kernels/activation_block.h"
#include "kernels/dot_i8-inl.h"

#if defined(QUERN_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_LANES_INL_H_
#undef QUERN_KERNELS_LANES_INL_H_
#else
#define QUERN_KERNELS_LANES_INL_H_
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

inline constexpr int kLanes = HWY_LANES(std::uint8_t) / 16;
static_assert(kLanes == 1 || kLanes == 2 || kLanes == 4);

/// 16 bytes from p for lane 0, p + stride for lane 1, and so on.
HWY_INLINE VU8 load_lanes(const std::uint8_t* p, std::ptrdiff_t stride) {
  const DU8 d;
  if constexpr (kLanes == 1) {
    return hn::LoadU(d, p);
  } else {
    const hn::Half<DU8> dh;
    if constexpr (kLanes == 2) {
      return hn::Combine(d, hn::LoadU(dh, p + stride), hn::LoadU(dh, p));
    } else {
      const hn::Half<decltype(dh)> dq;
      return hn::Combine(
          d, hn::Combine(dh, hn::LoadU(dq, p + 3 * stride), hn::LoadU(dq, p + 2 * stride)),
          hn::Combine(dh, hn::LoadU(dq, p + stride), hn::LoadU(dq, p)));
    }
  }
}

/// The same 16 bytes for each lane.
HWY_INLINE VU8 load_same(const std::uint8_t* p) { return hn::LoadDup128(DU8(), p); }

/// 16 bytes from p for lanes 0 and 1, p + stride for lanes 2 and 3.
HWY_INLINE VU8 load_pairs(const std::uint8_t* p, std::ptrdiff_t stride) {
  if constexpr (kLanes < 4) {
    return load_same(p);
  } else {
    const hn::Half<DU8> dh;
    return hn::Combine(DU8(), hn::LoadDup128(dh, p + stride), hn::LoadDup128(dh, p));
  }
}

/// 16 bytes from p for lanes 0 and 1, p + 32 for lanes 2 and 3.
HWY_INLINE VU8 load_twice(const std::uint8_t* p) {
  if constexpr (kLanes < 4) {
    return load_same(p);
  } else {
    const hn::Half<DU8> dh;
    return hn::Combine(DU8(), hn::LoadDup128(dh, p + 32), hn::LoadDup128(dh, p));
  }
}

/// 16 bytes from p for lanes 0 and 2, p + stride for lanes 1 and 3.
HWY_INLINE VU8 load_alternating(const std::uint8_t* p, std::ptrdiff_t stride) {
  if constexpr (kLanes < 4) {
    return load_lanes(p, stride);
  } else {
    const hn::Half<DU8> dh;
    const hn::Half<decltype(dh)> dq;
    const auto pair = hn::Combine(dh, hn::LoadU(dq, p + stride), hn::LoadU(dq, p));
    return hn::Combine(DU8(), pair, pair);
  }
}

/// How far each group of a superblock stands to the left in its bytes.
struct GroupShifts {
  alignas(64) std::uint32_t lanes[4 * kGroups];

  constexpr GroupShifts(int mask, int scale, int divisor) : lanes() {
    for (int group = 0; group < kGroups; ++group) {
      for (int lane = 0; lane < 4; ++lane) {
        lanes[4 * group + lane] = static_cast<std::uint32_t>((group / divisor & mask) * scale);
      }
    }
  }
};
inline constexpr GroupShifts kShiftPairs(1, 4, 1);    // 0 4 0 4 0 4 0 4
inline constexpr GroupShifts kShiftQuads(3, 2, 1);    // 0 2 4 6 0 2 4 6
inline constexpr GroupShifts kShiftNibbles(1, 4, 2);  // 0 0 4 4 0 0 4 4
inline constexpr GroupShifts kShiftBits(7, 1, 1);     // 0 1 2 3 4 5 6 7

/// Each lane shifted to the right by the shift of its group; bits of other bytes come in above.
HWY_INLINE VU8 shift_lanes(VU8 v, const GroupShifts& shifts, int first) {
  const hn::Repartition<std::uint32_t, DU8> d32;
  if constexpr (kLanes == 1) {
    const int bits = static_cast<int>(shifts.lanes[4 * first]);
    return hn::BitCast(DU8(), hn::ShiftRightSame(hn::BitCast(d32, v), bits));
  } else {
    const auto bits = hn::Load(d32, shifts.lanes + 4 * first);
    return hn::BitCast(DU8(), hn::Shr(hn::BitCast(d32, v), bits));
  }
}

template <int kBits>
HWY_INLINE VU8 shift_left(VU8 v) {
  const hn::Repartition<std::uint16_t, DU8> d16;
  return hn::BitCast(DU8(), hn::ShiftLeft<kBits>(hn::BitCast(d16, v)));
}

HWY_INLINE VU8 mask_bits(VU8 v, int mask) {
  return hn::And(v, hn::Set(DU8(), static_cast<std::uint8_t>(mask)));
}

HWY_INLINE VU8 low_nibbles(VU8 v) { return mask_bits(v, 15); }
HWY_INLINE VU8 high_nibbles(VU8 v) {
  const hn::Repartition<std::uint16_t, DU8> d16;
  return low_nibbles(hn::BitCast(DU8(), hn::ShiftRight<4>(hn::BitCast(d16, v))));
}

struct LaneOfGroup {
  alignas(64) std::int32_t lanes[4 * kHalves];

  constexpr LaneOfGroup() : lanes() {
    for (int i = 0; i < 4 * kHalves; ++i) lanes[i] = i / 4 % HWY_LANES(float);
  }
};
inline constexpr LaneOfGroup kLaneOfGroup;

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
