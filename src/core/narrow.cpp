#include "core/narrow.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/format.h"

namespace quern {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A floating format of 8 bits or fewer: sign, exponent, mantissa. Codes of positive numbers from 0
/// to `largest` ascend with their values.
struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  unsigned largest;   ///< the code of the largest finite number
  unsigned nan;       ///< a code that is NaN; 0: there is none
  unsigned infinity;  ///< 0: there is none
  bool has_minus_zero;
  bool is_signed = true;
};

constexpr FloatFormat format_of(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return {4, 3, 7, 0x7e, 0x7f, 0, true};
    case DType::f8e4m3fnuz:
      return {4, 3, 8, 0x7f, 0x80, 0, false};
    case DType::f8e5m2:
      return {5, 2, 15, 0x7b, 0x7e, 0x7c, true};
    case DType::f8e5m2fnuz:
      return {5, 2, 16, 0x7f, 0x80, 0, false};
    case DType::f8e8m0:
      return {8, 0, 127, 0xfe, 0xff, 0, false, false};
    default:
      return {2, 1, 1, 0x7, 0, 0, true};  // f4e2m1
  }
}

float magnitude_of(const FloatFormat& format, unsigned code) {
  const int mantissa = static_cast<int>(code & ((1u << format.mantissa_bits) - 1));
  const int exponent = static_cast<int>(code >> format.mantissa_bits);
  if (!format.is_signed) return std::ldexp(1.f, exponent - format.bias);
  if (exponent == 0)
    return std::ldexp(static_cast<float>(mantissa), 1 - format.bias - format.mantissa_bits);
  return std::ldexp(static_cast<float>(mantissa + (1 << format.mantissa_bits)),
                    exponent - format.bias - format.mantissa_bits);
}

std::array<float, 256> float_values(DType dtype) {
  const FloatFormat format = format_of(dtype);
  const unsigned sign = format.is_signed ? 1u << (format.exponent_bits + format.mantissa_bits) : 0;
  std::array<float, 256> values{};
  for (unsigned code = 0; code < 256; ++code) {
    const unsigned positive = sign != 0 ? code & (sign - 1) : code;
    float value = kNaN;
    if (code == sign && sign != 0 && !format.has_minus_zero) {
      value = kNaN;
    } else if (positive <= format.largest) {
      value = magnitude_of(format, positive);
    } else if (format.infinity != 0 && positive == format.infinity) {
      value = kInfinity;
    }
    values[code] = sign != 0 && (code & sign) != 0 ? -value : value;
  }
  return values;
}

std::array<float, 256> integer_values(DType dtype) {
  const int bits = dtype == DType::i4 || dtype == DType::u4 ? 4 : 2;
  const bool is_signed = dtype == DType::i4 || dtype == DType::i2;
  std::array<float, 256> values{};
  for (int code = 0; code < 256; ++code) {
    const int low = code & ((1 << bits) - 1);
    values[static_cast<unsigned>(code)] =
        static_cast<float>(is_signed && low >= 1 << (bits - 1) ? low - (1 << bits) : low);
  }
  return values;
}

bool is_narrow_float_dtype(DType dtype) { return is_narrow(dtype) && dtype <= DType::f4e2m1; }

/// The code of the finite number that the magnitude rounds to; past `largest` where it is beyond.
unsigned round_magnitude(std::span<const float> ascending, unsigned largest, float magnitude,
                         Rounding rounding) {
  const auto end = ascending.begin() + largest + 1;
  const auto above = std::lower_bound(ascending.begin(), end, magnitude);
  if (above == end) {
    const float step = ascending[largest] - ascending[largest - 1];
    const bool rounds_back = rounding == Rounding::down ||
                             magnitude - ascending[largest] < step / 2 ||
                             (magnitude - ascending[largest] == step / 2 && largest % 2 == 0);
    return rounds_back ? largest : largest + 1;
  }
  const auto code = static_cast<unsigned>(above - ascending.begin());
  if (code == 0 || *above == magnitude || rounding == Rounding::up) return code;
  if (rounding == Rounding::down) return code - 1;
  const float to_above = *above - magnitude;
  const float to_below = magnitude - ascending[code - 1];
  if (to_above == to_below) return code % 2 == 0 ? code : code - 1;
  return to_above < to_below ? code : code - 1;
}

class FloatRounder {
 public:
  FloatRounder(DType dtype, Overflow overflow, Rounding rounding)
      : format_(format_of(dtype)),
        values_(float_values(dtype)),
        overflow_(overflow),
        rounding_(rounding) {}

  std::uint8_t operator()(float value) const {
    if (std::isnan(value) || (!format_.is_signed && value < 0))
      return static_cast<std::uint8_t>(format_.nan);
    const unsigned sign_bit = 1u << (format_.exponent_bits + format_.mantissa_bits);
    const unsigned sign = format_.is_signed && std::signbit(value) ? sign_bit : 0;
    const float magnitude = std::abs(value);
    unsigned code = std::isinf(magnitude)
                        ? format_.largest + 1
                        : round_magnitude(values_, format_.largest, magnitude, rounding_);
    if (code > format_.largest) {
      const bool saturates = overflow_ == Overflow::saturate || (format_.nan == 0);
      if (!saturates && format_.infinity == 0) return static_cast<std::uint8_t>(sign | format_.nan);
      code = saturates ? format_.largest : format_.infinity;
    }
    if (code == 0 && !format_.has_minus_zero) return 0;
    return static_cast<std::uint8_t>(sign | code);
  }

 private:
  FloatFormat format_;
  std::array<float, 256> values_;
  Overflow overflow_;
  Rounding rounding_;
};

std::uint8_t round_integer(DType dtype, float value) {
  const int bits = dtype == DType::i4 || dtype == DType::u4 ? 4 : 2;
  const bool is_signed = dtype == DType::i4 || dtype == DType::i2;
  const int low = is_signed ? -(1 << (bits - 1)) : 0;
  const int high = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  if (std::isnan(value)) return 0;
  const float clamped = std::clamp(value, static_cast<float>(low), static_cast<float>(high));
  return static_cast<std::uint8_t>(static_cast<int>(clamped) & ((1 << bits) - 1));
}

}  // namespace

Tensor widen(const Tensor& x) {
  require(is_narrow(x.dtype()), "widen: expected a narrow dtype, got {}", x.dtype());
  const auto values =
      is_narrow_float_dtype(x.dtype()) ? float_values(x.dtype()) : integer_values(x.dtype());
  const Tensor src = x.contiguous();
  const auto* from = static_cast<const std::uint8_t*>(src.raw());
  Tensor dst = Tensor::empty(x.shape());
  for (float& value : dst.mutable_data<float>()) value = values[*from++];
  return dst;
}

Tensor narrow(const Tensor& x, DType dtype, Overflow overflow, Rounding rounding) {
  require(is_narrow(dtype), "narrow: expected a narrow dtype, got {}", dtype);
  const Tensor src = x.contiguous();
  const auto from = src.data<float>();
  Tensor dst = Tensor::empty(x.shape(), dtype);
  auto* to = static_cast<std::uint8_t*>(dst.mutable_raw());
  if (is_narrow_float_dtype(dtype)) {
    std::ranges::transform(from, to, FloatRounder(dtype, overflow, rounding));
  } else {
    std::ranges::transform(from, to, [&](float value) { return round_integer(dtype, value); });
  }
  return dst;
}

}  // namespace quern
