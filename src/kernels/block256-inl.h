// Encodings whose blocks hold 256 values, which is a superblock; see block32-inl.h.
#include "kernels/block32-inl.h"

#if defined(QUERN_KERNELS_BLOCK256_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_BLOCK256_INL_H_
#undef QUERN_KERNELS_BLOCK256_INL_H_
#else
#define QUERN_KERNELS_BLOCK256_INL_H_
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

inline constexpr std::uint64_t kEveryByte = 0x0101010101010101u;

HWY_INLINE float load_f16(const std::uint8_t* p) { return Float16::widen(load_u16(p)); }

/// out[i] = codes[i] * scale, for kCount codes.
template <int kCount, class T>
HWY_INLINE void scale_codes(const T* codes, float scale, float* out) {
  const hn::CappedTag<float, kCount> df;
  const hn::Rebind<std::int32_t, decltype(df)> di;
  const hn::Rebind<T, decltype(df)> d8;
  for (int i = 0; i < kCount; i += static_cast<int>(hn::Lanes(df))) {
    const auto wide = hn::ConvertTo(df, hn::PromoteTo(di, hn::LoadU(d8, codes + i)));
    hn::StoreU(hn::Mul(wide, hn::Set(df, scale)), df, out + i);
  }
}

/// Eight codes that hold for both halves of their groups.
template <class T>
HWY_INLINE void scale_groups(std::uint64_t codes, float scale, float* out) {
  const auto* bytes = reinterpret_cast<const T*>(&codes);
  scale_codes<kGroups>(bytes, scale, out);
  scale_codes<kGroups>(bytes, scale, out + kGroups);
}

/// Sixteen codes in the order of the values.
template <class T>
HWY_INLINE void scale_halves(const T* codes, float scale, float* out) {
  alignas(16) static constexpr T kOrder[16] = {0, 2, 4, 6, 8, 10, 12, 14,
                                               1, 3, 5, 7, 9, 11, 13, 15};
  const hn::FixedTag<T, 16> d;
  alignas(16) T ordered[16];
  hn::Store(hn::TableLookupBytes(hn::LoadU(d, codes), hn::Load(d, kOrder)), d, ordered);
  scale_codes<kHalves>(ordered, scale, out);
}

/// The 6-bit scales and minimums of q4_k and q5_k, packed into 12 bytes.
HWY_INLINE void packed_scales(const std::uint8_t* block, GroupScales& out) {
  const std::uint32_t a = load_u32(block + 4);
  const std::uint32_t b = load_u32(block + 8);
  const std::uint32_t c = load_u32(block + 12);
  const std::uint32_t high_scales = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
  const std::uint32_t high_minimums = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
  const std::uint64_t scales = (a & 0x3f3f3f3fu) | std::uint64_t{high_scales} << 32;
  const std::uint64_t minimums = (b & 0x3f3f3f3fu) | std::uint64_t{high_minimums} << 32;
  scale_groups<std::uint8_t>(scales, load_f16(block), out.scales);
  scale_groups<std::uint8_t>(minimums, -load_f16(block + 2), out.offsets);
}

/// Bytes whose low and high nibbles belong to two neighbouring groups: 32 bytes each pair.
HWY_INLINE Codes nibble_pairs(const std::uint8_t* p, int first) {
  p += first / 2 * kGroup;
  return {low_nibbles(shift_lanes(load_pairs(p, kGroup), kShiftPairs, first)),
          low_nibbles(shift_lanes(load_pairs(p + 16, kGroup), kShiftPairs, first))};
}

/// One bit or two of each of 32 bytes belong to a group.
HWY_INLINE Codes bit_planes(const std::uint8_t* p, const GroupShifts& shifts, int first, int mask) {
  return {mask_bits(shift_lanes(load_same(p), shifts, first), mask),
          mask_bits(shift_lanes(load_same(p + 16), shifts, first), mask)};
}

/// Adds `high`, which stand at bit kBits of the codes.
template <int kBits>
HWY_INLINE Codes with_high_bits(Codes low, Codes high) {
  return {hn::Or(low.first, shift_left<kBits>(high.first)),
          hn::Or(low.second, shift_left<kBits>(high.second))};
}

HWY_INLINE Codes two_bit_codes(const std::uint8_t* p, int first) {
  return bit_planes(p + first / 4 * kGroup, kShiftQuads, first, 3);
}

template <int kBlockBytes, int kZeroCode, bool kSignedCodes, bool kHalvedGroups, bool kHasOffset>
struct Layout256 {
  static constexpr int kBytes = kBlockBytes;
  static constexpr int kZero = kZeroCode;
  static constexpr bool kSigned = kSignedCodes;
  static constexpr bool kHalved = kHalvedGroups;
  static constexpr bool kOffsets = kHasOffset;
};

struct Q2_K : Layout256<84, 0, false, true, true> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return two_bit_codes(block + 16, first);
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    std::uint64_t bytes[2], nibbles[2];
    std::memcpy(bytes, block, sizeof bytes);
    for (int i = 0; i < 2; ++i) nibbles[i] = bytes[i] & 15 * kEveryByte;
    scale_halves(reinterpret_cast<const std::uint8_t*>(nibbles), load_f16(block + 80), out.scales);
    for (int i = 0; i < 2; ++i) nibbles[i] = bytes[i] >> 4 & 15 * kEveryByte;
    scale_halves(reinterpret_cast<const std::uint8_t*>(nibbles), -load_f16(block + 82),
                 out.offsets);
  }
};

struct Q3_K : Layout256<110, 4, false, true, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return with_high_bits<2>(two_bit_codes(block + 32, first),
                             bit_planes(block, kShiftBits, first, 1));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    std::uint64_t low;
    std::memcpy(&low, block + 96, sizeof low);
    const std::uint64_t high = load_u32(block + 104) * 0x0000000100000001u;
    std::uint64_t codes[2];
    for (int i = 0; i < 2; ++i) {
      const std::uint64_t top =
          (high >> 4 * i & 0x0000000003030303u) | (high >> (4 * i + 2) & 0x0303030300000000u);
      const std::uint64_t unsigned_codes = (low >> 4 * i & 15 * kEveryByte) | top << 4;
      // Less 32 in each byte, with no borrow between them.
      codes[i] = ((unsigned_codes | 0x80 * kEveryByte) - 0x20 * kEveryByte) ^ 0x80 * kEveryByte;
    }
    scale_halves(reinterpret_cast<const std::int8_t*>(codes), load_f16(block + 108), out.scales);
  }
};

struct Q4_K : Layout256<144, 0, false, false, true> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return nibble_pairs(block + 16, first);
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    packed_scales(block, out);
  }
};

struct Q5_K : Layout256<176, 0, false, false, true> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return with_high_bits<4>(nibble_pairs(block + 48, first),
                             bit_planes(block + 16, kShiftBits, first, 1));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    packed_scales(block, out);
  }
};

struct Q6_K : Layout256<210, 32, false, true, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    const std::uint8_t* low = block + first / 4 * 64 + (kLanes == 1 ? first % 2 * kGroup : 0);
    const std::uint8_t* high = block + 128 + first / 4 * kGroup;
    const VU8 first_low = shift_lanes(load_alternating(low, kGroup), kShiftNibbles, first);
    const VU8 second_low = shift_lanes(load_alternating(low + 16, kGroup), kShiftNibbles, first);
    return with_high_bits<4>({low_nibbles(first_low), low_nibbles(second_low)},
                             bit_planes(high, kShiftQuads, first, 3));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    scale_halves(reinterpret_cast<const std::int8_t*>(block + 192), load_f16(block + 208),
                 out.scales);
  }
};

struct IQ4_XS : Layout256<136, 0, true, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return iq4_codes(load_lanes(block + 8 + first * 16, 16));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    const std::uint32_t high = load_u16(block + 2);
    std::uint64_t codes = 0;
    for (int group = 0; group < kGroups; ++group) {
      const std::uint32_t low = block[4 + group / 2] >> 4 * (group % 2) & 15u;
      const std::uint32_t code = (low | (high >> 2 * group & 3u) << 4) - 32u;
      codes |= std::uint64_t{code & 255u} << 8 * group;
    }
    scale_groups<std::int8_t>(codes, load_f16(block), out.scales);
  }
};

HWY_INLINE void one_scale(float scale, GroupScales& out) {
  for (float& value : out.scales) value = scale;
}

struct TQ2_0 : Layout256<66, 1, false, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return two_bit_codes(block, first);
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    one_scale(load_f16(block + 64), out);
  }
};

/// Five ternary digits a byte, the first the most significant of a fraction of 256.
struct TQ1_0 : Layout256<54, 1, false, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    alignas(64) std::uint8_t digits[2][16 * kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int half = 0; half < 2; ++half) {
        digits_of_half(block, 2 * (first + lane) + half, digits[half] + 16 * lane);
      }
    }
    return {hn::Load(DU8(), digits[0]), hn::Load(DU8(), digits[1])};
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    one_scale(load_f16(block + 52), out);
  }

 private:
  static HWY_INLINE void digits_of_half(const std::uint8_t* block, int half, std::uint8_t* out) {
    static constexpr std::uint8_t kPowers[5] = {1, 3, 9, 27, 81};
    for (int i = 0; i < 16; ++i) {
      const int at = half < 10 ? 16 * (half % 2) + i : half < 15 ? 32 + i : 48 + i % 4;
      const int power = half < 10 ? half / 2 : half < 15 ? half - 10 : i / 4;
      const auto fraction = static_cast<std::uint8_t>(block[at] * kPowers[power]);
      out[i] = static_cast<std::uint8_t>(fraction * 3 >> 8);
    }
  }
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
