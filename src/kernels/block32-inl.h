// Encodings whose blocks hold 32 values: a superblock is eight of them in a row.
//
// What every encoding here and in block256-inl.h gives the kernels:
//   kBytes     of a superblock
//   kZero      what is taken off a code, for all groups alike
//   kSigned    codes are signed bytes, from -128 to 127; else unsigned, from 0 to 63
//   kHalved    each half of a group has a scale of its own
//   kOffsets   groups have an offset: value = scale * code + offset
//   codes(block, first)     codes of the groups from `first` on, as many as a vector has lanes
//   scales(block, out)      of all groups
// The layouts are ggml's, but for those of Q4_F32 and Q8_F32.
#include "kernels/group_scales-inl.h"

#if defined(QUERN_KERNELS_BLOCK32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUERN_KERNELS_BLOCK32_INL_H_
#undef QUERN_KERNELS_BLOCK32_INL_H_
#else
#define QUERN_KERNELS_BLOCK32_INL_H_
#endif

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

/// Codes of the first and of the second halves of groups, a group in each lane.
struct Codes {
  VU8 first, second;
};

/// The f16 that starts each of eight blocks.
HWY_INLINE void read_f16_scales(const std::uint8_t* p, int stride, GroupFloats& out) {
  std::uint64_t words[2] = {0, 0};
  for (int i = 0; i < kGroups; ++i) {
    words[i / 4] |= std::uint64_t{load_as<std::uint16_t>(p + i * stride)} << i % 4 * 16;
  }
  out.widen_f16(bytes_of(words[0], words[1]));
}

/// Blocks that begin with an f16 scale and, where kHasOffset, an f16 offset.
template <int kBlockBytes, int kZeroCode, bool kSignedCodes, bool kHasOffset>
struct F16Scaled {
  static constexpr int kBlock = kBlockBytes;
  static constexpr int kBytes = kGroups * kBlock;
  static constexpr int kZero = kZeroCode;
  static constexpr bool kSigned = kSignedCodes;
  static constexpr bool kHalved = false;
  static constexpr bool kOffsets = kHasOffset;

  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    read_f16_scales(block, kBlock, out.scales);
    if constexpr (kOffsets) read_f16_scales(block + 2, kBlock, out.offsets);
  }
};

/// Low nibbles are the first half of the group whose 16 bytes these are, high ones the second.
HWY_INLINE Codes nibble_halves(VU8 bytes) { return {low_nibbles(bytes), high_nibbles(bytes)}; }

/// Bit 4 of the codes of a block: bit i of the 32-bit word at `p` belongs to value i.
HWY_INLINE Codes fifth_bits(const std::uint8_t* p, int stride) {
  alignas(16) static constexpr std::uint8_t kBytes[16] = {0, 0, 0, 0, 0, 0, 0, 0,
                                                          1, 1, 1, 1, 1, 1, 1, 1};
  alignas(16) static constexpr std::uint8_t kBits[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                                         1, 2, 4, 8, 16, 32, 64, 128};
  const DU8 d;
  const VU8 words = load_lanes(p, stride);
  const VU8 bits = load_same(kBits);
  const VU8 sixteen = hn::Set(d, 16);
  const VU8 low = load_same(kBytes);
  const VU8 first = hn::TableLookupBytes(words, low);
  const VU8 second = hn::TableLookupBytes(words, hn::Add(low, hn::Set(d, 2)));
  return {hn::IfThenElseZero(hn::TestBit(first, bits), sixteen),
          hn::IfThenElseZero(hn::TestBit(second, bits), sixteen)};
}

struct Q4_0 : F16Scaled<18, 8, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return nibble_halves(load_lanes(block + first * kBlock + 2, kBlock));
  }
};

struct Q4_1 : F16Scaled<20, 0, false, true> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return nibble_halves(load_lanes(block + first * kBlock + 4, kBlock));
  }
};

struct Q5_0 : F16Scaled<22, 16, false, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    const std::uint8_t* p = block + first * kBlock;
    const Codes low = nibble_halves(load_lanes(p + 6, kBlock));
    const Codes high = fifth_bits(p + 2, kBlock);
    return {hn::Or(low.first, high.first), hn::Or(low.second, high.second)};
  }
};

struct Q5_1 : F16Scaled<24, 0, false, true> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    const std::uint8_t* p = block + first * kBlock;
    const Codes low = nibble_halves(load_lanes(p + 8, kBlock));
    const Codes high = fifth_bits(p + 4, kBlock);
    return {hn::Or(low.first, high.first), hn::Or(low.second, high.second)};
  }
};

struct Q8_0 : F16Scaled<34, 0, true, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    const std::uint8_t* p = block + first * kBlock + 2;
    return {load_lanes(p, kBlock), load_lanes(p + 16, kBlock)};
  }
};

HWY_INLINE Codes iq4_codes(VU8 bytes) {
  alignas(16) static constexpr std::int8_t kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                          1,    13,   25,  38,  53,  69,  89,  113};
  const VU8 values = load_same(reinterpret_cast<const std::uint8_t*>(kValues));
  const Codes nibbles = nibble_halves(bytes);
  return {hn::TableLookupBytes(values, nibbles.first),
          hn::TableLookupBytes(values, nibbles.second)};
}

struct IQ4_NL : F16Scaled<18, 0, true, false> {
  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return iq4_codes(load_lanes(block + first * kBlock + 2, kBlock));
  }
};

/// Four bits under an f32 scale and an f32 offset.
struct Q4_F32 {
  static constexpr int kBlock = 24;
  static constexpr int kBytes = kGroups * kBlock;
  static constexpr int kZero = 0;
  static constexpr bool kSigned = false;
  static constexpr bool kHalved = false;
  static constexpr bool kOffsets = true;

  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    return nibble_halves(load_lanes(block + first * kBlock + 8, kBlock));
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    out.scales.load(block, kBlock);
    out.offsets.load(block + 4, kBlock);
  }
};

/// Signed bytes under an f32 scale.
struct Q8_F32 {
  static constexpr int kBlock = 36;
  static constexpr int kBytes = kGroups * kBlock;
  static constexpr int kZero = 0;
  static constexpr bool kSigned = true;
  static constexpr bool kHalved = false;
  static constexpr bool kOffsets = false;

  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    const std::uint8_t* p = block + first * kBlock + 4;
    return {load_lanes(p, kBlock), load_lanes(p + 16, kBlock)};
  }
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    out.scales.load(block, kBlock);
  }
};

/// OCP microscaling: 4-bit floats e2m1, whose doubles are whole, under a power of two.
struct MXFP4 {
  static constexpr int kBlock = 17;
  static constexpr int kBytes = kGroups * kBlock;
  static constexpr int kZero = 12;
  static constexpr bool kSigned = false;
  static constexpr bool kHalved = false;
  static constexpr bool kOffsets = false;

  static HWY_INLINE Codes codes(const std::uint8_t* block, int first) {
    alignas(16) static constexpr std::uint8_t kValues[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                                             12, 11, 10, 9,  8,  6,  4,  0};
    const VU8 values = load_same(kValues);
    const Codes nibbles = nibble_halves(load_lanes(block + first * kBlock + 1, kBlock));
    return {hn::TableLookupBytes(values, nibbles.first),
            hn::TableLookupBytes(values, nibbles.second)};
  }

  /// 2^(e - 128), subnormal for e of 0 and 1.
  static HWY_INLINE void scales(const std::uint8_t* block, GroupScales& out) {
    std::uint64_t exponents = 0;
    for (int i = 0; i < kGroups; ++i) exponents |= std::uint64_t{block[i * kBlock]} << 8 * i;
    VI32 wide[kScaleVectors];
    promote<std::uint8_t>(bytes_of(exponents, exponents), wide);
    for (int i = 0; i < kScaleVectors; ++i) {
      const auto high = hn::Gt(wide[i], hn::Set(DI32(), 127));
      const auto step = hn::IfThenElse(high, hn::Set(DI32(), -1), hn::Set(DI32(), 1));
      const auto power = hn::BitCast(DF32(), hn::ShiftLeft<23>(hn::Add(wide[i], step)));
      const auto quarter = hn::Mul(power, hn::Set(DF32(), 0.25f));
      out.scales.parts[i] = hn::IfThenElse(hn::RebindMask(DF32(), high), power, quarter);
    }
  }
};

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
