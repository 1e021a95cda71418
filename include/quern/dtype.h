#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "quern/export.h"

namespace quern {

/// Element type of a dense tensor. Those of the last line are stored, moved and cast, but not
/// computed with; an element takes a byte, whatever its width.
enum class DType : std::uint8_t {
  // clang-format off
  f32, f64, f16, bf16, i8, u8, i16, u16, i32, u32, i64, u64, boolean, string,
  f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, f8e8m0, f4e2m1, i4, u4, i2, u2
  // clang-format on
};
inline constexpr int kDTypes = 24;

/// Name of a dtype, as it stands in the enum, but "bool" for `boolean`.
QUERN_API std::string_view to_string(DType dtype) noexcept;

/// Bytes of one element; for `string`, of the std::string object that holds it.
QUERN_API std::size_t size_of(DType dtype) noexcept;

/// Whether values of `dtype` are only stored: the 8-, 4- and 2-bit types that no arithmetic takes.
constexpr bool is_narrow(DType dtype) noexcept { return dtype > DType::string; }

constexpr bool is_floating(DType dtype) noexcept {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

/// IEEE 754 binary16. Converts to and from float, rounding to nearest even.
struct Float16 {
  std::uint16_t bits = 0;

  Float16() = default;
  explicit Float16(float value) noexcept : bits(round(value)) {}
  static constexpr Float16 from_bits(std::uint16_t bits) noexcept {
    Float16 half;
    half.bits = bits;
    return half;
  }
  operator float() const noexcept { return widen(bits); }

  static constexpr float widen(std::uint16_t half) noexcept {
    const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
    const std::uint32_t magnitude = std::uint32_t{half & 0x7fffu} << 13;
    if ((half & 0x7c00u) == 0x7c00u) return std::bit_cast<float>(sign | magnitude | 0x70000000u);
    // A binary16 subnormal is magnitude * 2^-24 exactly; the product handles both cases.
    const float scaled = std::bit_cast<float>(magnitude) * std::bit_cast<float>(0x77800000u);
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(scaled) | sign);
  }

  static constexpr std::uint16_t round(float value) noexcept {
    const std::uint32_t wide = std::bit_cast<std::uint32_t>(value);
    const std::uint16_t sign = static_cast<std::uint16_t>((wide >> 16) & 0x8000u);
    const std::uint32_t magnitude = wide & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {
      const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
      return static_cast<std::uint16_t>(sign |
                                        (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
  }
};

/// bfloat16: the upper half of a binary32. Converts to and from float, rounding to nearest even.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  explicit BFloat16(float value) noexcept : bits(round(value)) {}
  static constexpr BFloat16 from_bits(std::uint16_t bits) noexcept {
    BFloat16 brain;
    brain.bits = bits;
    return brain;
  }
  operator float() const noexcept { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

  static constexpr std::uint16_t round(float value) noexcept {
    const std::uint32_t wide = std::bit_cast<std::uint32_t>(value);
    if ((wide & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((wide >> 16) | 0x40u);
    return static_cast<std::uint16_t>((wide + 0x7fffu + ((wide >> 16) & 1u)) >> 16);
  }
};

/// An element of a dtype that is only stored (see `is_narrow`); `Tensor::cast` gives its value.
template <DType type>
struct Narrow {
  std::uint8_t bits = 0;
  bool operator==(const Narrow&) const = default;
};

/// The dtype that stores a C++ type: `dtype_of<float>` is `DType::f32`.
template <class T>
inline constexpr DType dtype_of = [] { static_assert(sizeof(T) == 0, "not an element type"); }();
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;
template <>
inline constexpr DType dtype_of<Float16> = DType::f16;
template <>
inline constexpr DType dtype_of<BFloat16> = DType::bf16;
template <>
inline constexpr DType dtype_of<std::int8_t> = DType::i8;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::u8;
template <>
inline constexpr DType dtype_of<std::int16_t> = DType::i16;
template <>
inline constexpr DType dtype_of<std::uint16_t> = DType::u16;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::i32;
template <>
inline constexpr DType dtype_of<std::uint32_t> = DType::u32;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::i64;
template <>
inline constexpr DType dtype_of<std::uint64_t> = DType::u64;
template <>
inline constexpr DType dtype_of<bool> = DType::boolean;
template <>
inline constexpr DType dtype_of<std::string> = DType::string;
template <DType type>
inline constexpr DType dtype_of<Narrow<type>> = type;

}  // namespace quern
