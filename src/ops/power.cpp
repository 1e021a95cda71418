#include <cmath>
#include <type_traits>

#include "ops/elements.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

// Wraps; by squaring, so in 64 steps at most.
template <class T>
T integer_power(T base, T exponent) {
  if constexpr (std::is_signed_v<T>) {
    if (exponent < 0) {
      if (base == T{1}) return 1;
      if (base == T{-1}) return exponent % 2 == 0 ? 1 : -1;
      return 0;
    }
  }
  std::uint64_t product = 1;
  auto factor = static_cast<std::uint64_t>(base);
  for (auto left = static_cast<std::uint64_t>(exponent); left > 0; left >>= 1) {
    if (left & 1) product *= factor;
    factor *= factor;
  }
  return static_cast<T>(product);
}

template <class T>
T power(T base, T exponent) {
  if constexpr (std::is_integral_v<T>) {
    return integer_power(base, exponent);
  } else {
    return std::pow(base, exponent);
  }
}

template <class T>
T remainder_like_dividend(const char* name, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    require(b != 0, "{}: division of an integer by zero", name);
    if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) return 0;
    }
    return static_cast<T>(a % b);
  } else {
    return std::fmod(a, b);
  }
}

template <class T>
T remainder_like_divisor(T a, T b) {
  const T left = remainder_like_dividend("mod", a, b);
  return left != T{0} && (left < T{0}) != (b < T{0}) ? static_cast<T>(left + b) : left;
}

/// function(a, b) for numeric dtypes but bool.
template <class Function>
Tensor zip_numbers(const char* name, const Tensor& a, const Tensor& b, const Function& function) {
  require_same_dtype(name, a, b);
  Tensor dst;
  visit_numeric(name, a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      fail(ErrorCode::unsupported, "{}: expected numbers, got bool", name);
    } else {
      dst = zip_elements<T, T, T>(a, b, function);
    }
  });
  return dst;
}

/// Whether all that `exponent` holds is 2.
bool is_two(const Tensor& exponent) {
  if (exponent.numel() != 1 || exponent.dtype() == DType::string) return false;
  return exponent.cast(DType::f64).reshape({}).item<double>() == 2.0;
}

}  // namespace

Tensor pow(const Tensor& a, const Tensor& b) {
  if (is_two(b)) return mul(a, a).reshape(broadcast_shapes(a.shape(), b.shape()));
  if (is_floating(b.dtype()) && !is_floating(a.dtype()))
    return pow(a.cast(DType::f64), b.cast(DType::f64)).cast(a.dtype());
  return zip_numbers("pow", a, b.cast(a.dtype()),
                     [](auto base, auto exponent) { return power(base, exponent); });
}

Tensor mod(const Tensor& a, const Tensor& b) {
  return zip_numbers("mod", a, b, [](auto x, auto y) { return remainder_like_divisor(x, y); });
}

Tensor fmod(const Tensor& a, const Tensor& b) {
  return zip_numbers("fmod", a, b,
                     [](auto x, auto y) { return remainder_like_dividend("fmod", x, y); });
}

}  // namespace quern::ops
