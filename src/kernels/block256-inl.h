// Encodings whose blocks hold 256 values, which is a superblock; see block32-inl.h.
#include <algorithm>

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

/// Takes `amount`, at most 64, off each byte of signed numbers from 0 to 127.
HWY_INLINE std::uint64_t subtract_bytes(std::uint64_t bytes, std::uint64_t amount) {
  return ((bytes | 0x80 * kEveryByte) - amount * kEveryByte) ^ 0x80 * kEveryByte;
}

/// 16 codes in the order of the values, so that the halves of a group are neighbours.
template <class T>
HWY_INLINE void scale_halves(Bytes16 codes, float scale, GroupFloats& out) {
  alignas(16) static constexpr std::uint8_t kOrder[16] = {0, 2, 4, 6, 8, 10, 12, 14,
                                                          1, 3, 5, 7, 9, 11, 13, 15};
  out.convert<T>(hn::TableLookupBytes(codes, hn::Load(DBytes16(), kOrder)));
  out.multiply(scale);
}

/// The 6-bit scales and minimums of q4_k and q5_k, in 12 bytes. Of the bytes of the first 32-bit
/// word the lower 6 bits are scales 0 to 3, of the second minimums 0 to 3; the nibbles of the third
/// are the lower 4 bits of scales and minimums 4 to 7, whose upper 2 bits end the bytes before.
HWY_INLINE void packed_scales(const std::uint8_t* block, GroupScales& out) {
  const auto a = load_as<std::uint32_t>(block + 4);
  const auto b = load_as<std::uint32_t>(block + 8);
  const auto c = load_as<std::uint32_t>(block + 12);
  const std::uint32_t high_scales = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
  const std::uint32_t high_minimums = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
  const std::uint64_t scales = (a & 0x3f3f3f3fu) | std::uint64_t{high_scales} << 32;
  const std::uint64_t minimums = (b & 0x3f3f3f3fu) | std::uint64_t{high_minimums} << 32;
  out.scales.convert<std::uint8_t>(bytes_of(scales, minimums));
  out.scales.split(out.offsets);
  out.scales.multiply(load_f16(block));
  out.offsets.multiply(-load_f16(block + 2));
}

/// Bytes whose low and high nibbles belong to two neighbouring groups: 32 bytes each pair.
HWY_INLINE Codes nibble_pairs(const std::uint8_t* p, int first) {
  p += first / 2 * kGroup;
  return {low_nibbles(shift_lanes(load_twice(p), kShiftPairs, first)),
          low_nibbles(shift_lanes(load_twice(p + 16), kShiftPairs, first))};
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
    const DBytes16 d;
    const Bytes16 bytes = hn::LoadU(d, block);
    const Bytes16 low = hn::And(bytes, hn::Set(d, 15));
    const hn::Repartition<std::uint16_t, DBytes16> d16;
    const auto shifted = hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d16, bytes)));
    scale_halves<std::uint8_t>(low, load_f16(block + 80), out.scales);
    scale_halves<std::uint8_t>(hn::And(shifted, hn::Set(d, 15)), -load_f16(block + 82),
                               out.offsets);
  }
};

struct Q3_K : Layout256<110, 4, false, true, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return with_high_bits<2>(two_bit_codes(block + 32, first),
                             bit_planes(block, kShiftBits, first, 1));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    const auto low = load_as<std::uint64_t>(block + 96);
    const std::uint64_t high = load_as<std::uint32_t>(block + 104) * 0x0000000100000001u;
    std::uint64_t codes[2];
    for (int i = 0; i < 2; ++i) {
      const std::uint64_t top =
          (high >> 4 * i & 0x0000000003030303u) | (high >> (4 * i + 2) & 0x0303030300000000u);
      codes[i] = subtract_bytes((low >> 4 * i & 15 * kEveryByte) | top << 4, 32);
    }
    scale_halves<std::int8_t>(bytes_of(codes[0], codes[1]), load_f16(block + 108), out.scales);
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
    scale_halves<std::int8_t>(hn::LoadU(DBytes16(), block + 192), load_f16(block + 208),
                              out.scales);
  }
};

struct IQ4_XS : Layout256<136, 0, true, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return iq4_codes(load_lanes(block + 8 + first * 16, 16));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    // A nibble, and two bits above it, for each of eight bytes.
    std::uint64_t low = load_as<std::uint32_t>(block + 4);
    low = (low | low << 16) & 0x0000ffff0000ffffu;
    low = (low | low << 8) & 0x00ff00ff00ff00ffu;
    low = (low | low << 4) & 15 * kEveryByte;
    std::uint64_t high = load_as<std::uint16_t>(block + 2);
    high = (high | high << 24) & 0x000000ff000000ffu;
    high = (high | high << 12) & 0x000f000f000f000fu;
    high = (high | high << 6) & 3 * kEveryByte;
    const std::uint64_t codes = subtract_bytes(low | high << 4, 32);
    out.scales.convert<std::int8_t>(bytes_of(codes, codes));
    out.scales.multiply(load_f16(block));
  }
};

struct TQ2_0 : Layout256<66, 1, false, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return two_bit_codes(block, first);
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    out.scales.fill(load_f16(block + 64));
  }
};

/// Five ternary digits a byte, which is a fraction of 256: the first digit is the most significant.
struct TQ1_0 : Layout256<54, 1, false, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return {digits(block, first, 0), digits(block, first, 1)};
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    out.scales.fill(load_f16(block + 52));
  }

 private:
  static HWY_INLINE VU8 digits(const std::uint8_t* block, int first, int half) {
    alignas(64) std::uint8_t bytes[16 * kLanes];
    alignas(64) std::uint16_t powers[8 * kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      gather(block, 2 * (first + lane) + half, bytes + 16 * lane, powers + 8 * lane);
    }
    // Products of bytes, with what does not fit thrown away, in 16-bit lanes.
    const hn::Repartition<std::uint16_t, DU8> d16;
    const auto low = hn::Set(d16, 0x00ff);
    const auto high = hn::Set(d16, 0xff00);
    const auto power = hn::Load(d16, powers);
    const auto packed = hn::BitCast(d16, hn::Load(DU8(), bytes));
    const auto even = hn::And(hn::Mul(packed, power), low);
    const auto odd = hn::Mul(hn::And(packed, high), power);
    const auto three = hn::Set(d16, 3);
    return hn::BitCast(DU8(), hn::Or(hn::ShiftRight<8>(hn::Mul(even, three)),
                                     hn::And(hn::Mul(hn::ShiftRight<8>(odd), three), high)));
  }

  /// The 16 bytes that hold the digits of half a group, and what brings those to the top.
  static HWY_INLINE void gather(const std::uint8_t* block, int half, std::uint8_t* bytes,
                                std::uint16_t* powers) {
    static constexpr std::uint16_t kPowers[5] = {1, 3, 9, 27, 81};
    if (half < 15) {
      std::memcpy(bytes, block + (half < 10 ? 16 * (half % 2) : 32), 16);
      std::fill_n(powers, 8, kPowers[half < 10 ? half / 2 : half - 10]);
    } else {
      for (int i = 0; i < 4; ++i) {
        std::memcpy(bytes + 4 * i, block + 48, 4);
        std::fill_n(powers + 2 * i, 2, kPowers[i]);
      }
    }
  }
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
