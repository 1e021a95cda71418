#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <unsupported/Eigen/SpecialFunctions>

#include "ops/elements.h"
#include "ops/eltwise.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

using backend::Eltwise;

/// function(x) of each element of a numeric dtype but bool, and but unsigned ones if `is_signed`.
template <bool is_signed, class Function>
Tensor map_numbers(const char* name, const Tensor& x, const Function& function) {
  Tensor dst;
  visit_numeric(name, x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool> || (is_signed && std::is_unsigned_v<T>)) {
      fail(ErrorCode::unsupported, "{}: expected a {} dtype, got {}", name,
           is_signed ? "signed" : "numeric", x.dtype());
    } else {
      dst = map_elements<T, T>(x, function);
    }
  });
  return dst;
}

// The most negative integer stays itself, as in PyTorch.
template <class T>
T negate(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(value));
  } else {
    return -value;
  }
}

template <class T>
T magnitude(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::abs(value);
  if constexpr (std::is_unsigned_v<T>) return value;
  return value < T{0} ? negate(value) : value;
}

template <class T>
T sign_of(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return value;
  }
  return static_cast<T>((value > T{0}) - (value < T{0}));
}

// Cody and Waite's reduction and a polynomial by Eigen, several elements at a time.
Tensor erf_f32(const Tensor& x) {
  const Tensor src = x.contiguous();
  Tensor dst = Tensor::empty(x.shape());
  const float* from = src.data<float>().data();
  float* to = dst.mutable_data<float>().data();
  parallel_for(x.numel(), kElementGrain, [&](std::int64_t begin, std::int64_t end) {
    using Array = Eigen::ArrayXf;
    Eigen::Map<Array>(to + begin, end - begin) =
        Eigen::Map<const Array>(from + begin, end - begin).erf();
  });
  return dst;
}

/// x, or `limit` where it is passed; a scalar of x's dtype.
Tensor limited(Tensor (*limit_by)(const Tensor&, const Tensor&), const Tensor& x,
               const std::optional<Tensor>& limit) {
  if (!limit) return x;
  require(limit->numel() == 1, "clip: a limit has shape {}, expected a scalar", limit->shape());
  return limit_by(x, limit->reshape({}));
}

float limit_or(const std::optional<Tensor>& limit, float fallback) {
  return limit ? limit->item<float>() : fallback;
}

}  // namespace

Tensor neg(const Tensor& x) {
  return map_numbers<true>("neg", x, [](auto value) { return negate(value); });
}
Tensor abs(const Tensor& x) {
  return map_numbers<false>("abs", x, [](auto value) { return magnitude(value); });
}
Tensor sign(const Tensor& x) {
  return map_numbers<false>("sign", x, [](auto value) { return sign_of(value); });
}

Tensor clip(const Tensor& x, const std::optional<Tensor>& low, const std::optional<Tensor>& high) {
  for (const auto& limit : {low, high}) {
    if (limit) require_same_dtype("clip", x, *limit);
  }
  const bool scalars = (!low || low->numel() == 1) && (!high || high->numel() == 1);
  if (x.dtype() == DType::f32 && scalars) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float smallest = limit_or(low, -infinity);
    const float largest = limit_or(high, infinity);
    if (smallest <= largest) return clip(x, smallest, largest);
  }
  if (!low && !high) return x.clone();
  return limited(minimum, limited(maximum, x, low), high);
}

Tensor clip(const Tensor& x, float low, float high) {
  require(low <= high, "clip: low {} is above high {}", low, high);
  return eltwise(Eltwise::clip, x, low, high);
}

Tensor sqrt(const Tensor& x) { return eltwise(Eltwise::sqrt, x); }
Tensor square(const Tensor& x) { return eltwise(Eltwise::square, x); }
Tensor exp(const Tensor& x) { return eltwise(Eltwise::exp, x); }
Tensor log(const Tensor& x) { return eltwise(Eltwise::log, x); }
Tensor tanh(const Tensor& x) { return eltwise(Eltwise::tanh, x); }

Tensor ceil(const Tensor& x) {
  return map_floating("ceil", x, [](auto value) { return std::ceil(value); });
}
Tensor floor(const Tensor& x) {
  return map_floating("floor", x, [](auto value) { return std::floor(value); });
}
Tensor round(const Tensor& x) {
  return map_floating("round", x, [](auto value) { return std::nearbyint(value); });
}
Tensor reciprocal(const Tensor& x) {
  return map_floating("reciprocal", x, [](auto value) { return 1 / value; });
}
Tensor erf(const Tensor& x) {
  if (x.dtype() == DType::f32) return erf_f32(x);
  return map_floating("erf", x, [](auto value) { return std::erf(value); });
}
Tensor sin(const Tensor& x) {
  return map_floating("sin", x, [](auto value) { return std::sin(value); });
}
Tensor cos(const Tensor& x) {
  return map_floating("cos", x, [](auto value) { return std::cos(value); });
}
Tensor tan(const Tensor& x) {
  return map_floating("tan", x, [](auto value) { return std::tan(value); });
}
Tensor asin(const Tensor& x) {
  return map_floating("asin", x, [](auto value) { return std::asin(value); });
}
Tensor acos(const Tensor& x) {
  return map_floating("acos", x, [](auto value) { return std::acos(value); });
}
Tensor atan(const Tensor& x) {
  return map_floating("atan", x, [](auto value) { return std::atan(value); });
}
Tensor sinh(const Tensor& x) {
  return map_floating("sinh", x, [](auto value) { return std::sinh(value); });
}
Tensor cosh(const Tensor& x) {
  return map_floating("cosh", x, [](auto value) { return std::cosh(value); });
}
Tensor asinh(const Tensor& x) {
  return map_floating("asinh", x, [](auto value) { return std::asinh(value); });
}
Tensor acosh(const Tensor& x) {
  return map_floating("acosh", x, [](auto value) { return std::acosh(value); });
}
Tensor atanh(const Tensor& x) {
  return map_floating("atanh", x, [](auto value) { return std::atanh(value); });
}

}  // namespace quern::ops
