#include "quern/ops/cast.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <string>

#include "core/narrow.h"
#include "core/visit.h"

namespace quern::ops {
namespace {

template <class T>
std::string text_of(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "1" : "0";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else {
    if (std::isnan(static_cast<double>(value))) return "NaN";
    if (std::isinf(static_cast<double>(value))) return value < T(0) ? "-INF" : "INF";
    return fmt::format("{}", static_cast<Compute<T>>(value));
  }
}

template <class T>
T number_of(std::string_view text) {
  using Wide =
      std::conditional_t<std::is_floating_point_v<Compute<T>>, double,
                         std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;
  const std::string_view all = text;
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  Wide value{};
  auto read = std::from_chars(text.data(), end, value);
  if constexpr (std::is_integral_v<Wide>) {
    // "3.0" and "1e3" are integers too.
    if (read.ec == std::errc() && read.ptr != end) {
      double real = 0;
      read = std::from_chars(text.data(), end, real);
      if (std::abs(real) < 0x1p63 && (std::is_signed_v<Wide> || real >= 0)) {
        value = static_cast<Wide>(real);
      } else {
        read.ec = std::errc::result_out_of_range;
      }
    }
    if (read.ec == std::errc() && !std::is_same_v<T, bool> &&
        static_cast<Wide>(static_cast<T>(value)) != value)
      read.ec = std::errc::result_out_of_range;
  }
  require(read.ec == std::errc() && read.ptr == end, "cast: \"{}\" is no {}", all.substr(0, 40),
          dtype_of<T>);
  if constexpr (std::is_same_v<T, bool>) return value != Wide{0};
  return T(static_cast<Compute<T>>(value));
}

Tensor to_strings(const Tensor& x) {
  if (is_narrow(x.dtype())) return to_strings(widen(x));
  const Tensor src = x.contiguous();
  Tensor dst = Tensor::empty(x.shape(), DType::string);
  auto to = dst.mutable_data<std::string>();
  visit_numeric("cast", x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::ranges::transform(src.data<T>(), to.begin(), text_of<T>);
  });
  return dst;
}

Tensor from_strings(const Tensor& x, DType dtype) {
  const Tensor src = x.contiguous();
  Tensor dst = Tensor::empty(x.shape(), dtype);
  visit_numeric("cast", dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::ranges::transform(src.data<std::string>(), dst.mutable_data<T>().begin(), number_of<T>);
  });
  return dst;
}

int bits_of(DType dtype) {
  switch (dtype) {
    case DType::f4e2m1:
    case DType::i4:
    case DType::u4:
      return 4;
    case DType::i2:
    case DType::u2:
      return 2;
    default:
      return static_cast<int>(size_of(dtype)) * 8;
  }
}

bool is_narrow_integer(DType dtype) { return dtype >= DType::i4; }

Tensor low_bits(const Tensor& x, DType dtype) {
  const Tensor wide = x.cast(DType::i64).contiguous();
  const auto mask = static_cast<std::uint8_t>((1 << bits_of(dtype)) - 1);
  Tensor dst = Tensor::empty(x.shape(), dtype);
  std::ranges::transform(
      wide.data<std::int64_t>(), static_cast<std::uint8_t*>(dst.mutable_raw()),
      [mask](std::int64_t value) { return static_cast<std::uint8_t>(value & mask); });
  return dst;
}

Rounding rounding_of(CastRounding rounding) {
  switch (rounding) {
    case CastRounding::up:
      return Rounding::up;
    case CastRounding::down:
      return Rounding::down;
    default:
      return Rounding::nearest_even;
  }
}

}  // namespace

Tensor cast(const Tensor& x, DType dtype, const CastOptions& options) {
  if (dtype == x.dtype()) return x;
  if (dtype == DType::string) return to_strings(x);
  if (x.dtype() == DType::string)
    return is_narrow(dtype) ? cast(from_strings(x, DType::f32), dtype, options)
                            : from_strings(x, dtype);
  if (!is_narrow(dtype)) return x.cast(dtype);
  if (options.wrap && is_narrow_integer(dtype)) return low_bits(x, dtype);
  return narrow(x.cast(DType::f32), dtype,
                options.saturate ? Overflow::saturate : Overflow::propagate,
                rounding_of(options.rounding));
}

Tensor bit_cast(const Tensor& x, DType dtype) {
  require(
      x.dtype() != DType::string && dtype != DType::string && bits_of(dtype) == bits_of(x.dtype()),
      "bit_cast: {} to {}, which are not of one size", x.dtype(), dtype);
  const auto owner = std::make_shared<Tensor>(x.contiguous());
  // A bool of other bits than 0 and 1 is none.
  const DType stored = dtype == DType::boolean ? DType::u8 : dtype;
  const Tensor view =
      Tensor::view_of(owner->raw(), static_cast<std::size_t>(x.numel()), stored, x.shape(), owner);
  return view.cast(dtype);
}

}  // namespace quern::ops
