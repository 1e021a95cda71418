#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "quern/dtype.h"

namespace quern {

template <class T>
T read_bytes(const std::uint8_t* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline float read_f16(const std::uint8_t* at) noexcept {
  return Float16::widen(read_bytes<std::uint16_t>(at));
}

/// What a 4-bit code of iq4_nl and iq4_xs stands for, before the block's scale.
inline constexpr std::array<std::int8_t, 16> kIq4Values = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Twice what a 4-bit code of mxfp4 or nvfp4 (an E2M1 float) stands for, before the block's scale.
/// The scale is read by `half_of_e8m0`, which halves it in turn. Minus zero decodes to plus zero.
inline constexpr std::array<std::int8_t, 16> kE2m1DoubledValues = {0, 1,  2,  3,  4,  6,  8,  12,
                                                                   0, -1, -2, -3, -4, -6, -8, -12};

/// Half of the E8M0 scale `exponent`: 2^(exponent - 128), exact also where it is subnormal.
constexpr float half_of_e8m0(std::uint8_t exponent) noexcept {
  const std::uint32_t bits =
      exponent < 2 ? 0x00200000u << exponent : (std::uint32_t{exponent} - 1u) << 23;
  return std::bit_cast<float>(bits);
}

/// Half of the unsigned E4M3 scale `bits` of nvfp4, whose NaN counts as 0 and sign bit not at all.
constexpr float half_of_ue4m3(std::uint8_t bits) noexcept {
  if (bits == 0x7f) return 0.f;
  const std::uint32_t exponent = bits >> 3 & 15u;
  const std::uint32_t mantissa = bits & 7u;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return std::bit_cast<float>((exponent + 119u) << 23 | mantissa << 20);
}

/// Value `i` of a run of unsigned `bits`-wide fields as GGUF packs them: groups of `width` bytes,
/// whose lowest bits hold the group's first `width` values, the next bits the next, and so on.
template <int bits, int width>
constexpr int packed_field(const std::uint8_t* packed, int i) noexcept {
  constexpr int kGroup = width * 8 / bits;
  const int byte = packed[i / kGroup * width + i % width];
  return byte >> (bits * (i % kGroup / width)) & ((1 << bits) - 1);
}

}  // namespace quern
