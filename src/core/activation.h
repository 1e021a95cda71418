#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace quern {

/// A function of each floating element: what passes fuse with a product, what kernels and oneDNN
/// compute. Its numbers are part of it.
struct ActivationFunction {
  enum class Kind : std::uint8_t {
    relu,  ///< max(x, 0) + alpha * min(x, 0)
    elu,   ///< x > 0 ? x : alpha * (exp(x) - 1)
    gelu_erf,
    gelu_tanh,
    silu,
    sigmoid,
    tanh,
    exp,
    log,
    sqrt,
    abs,
    square,
    softplus,
    mish,
    hardswish,
    linear,  ///< alpha * x + beta
    clip,    ///< min(max(x, alpha), beta)
    pow,     ///< alpha * x^beta
    round,   ///< to nearest even
  } kind = Kind::relu;
  float alpha = 0.f;
  float beta = 0.f;

  bool operator==(const ActivationFunction&) const = default;
};

/// Its value at x, in the precision of T.
template <class T>
T evaluate(const ActivationFunction& function, T x) {
  using Kind = ActivationFunction::Kind;
  const T alpha = function.alpha;
  const T beta = function.beta;
  constexpr T kSqrtHalf = std::numbers::sqrt2_v<T> / 2;
  constexpr T kSqrtTwoOverPi = std::numbers::sqrt2_v<T> * std::numbers::inv_sqrtpi_v<T>;
  const auto sigmoid = [](T value) { return T{1} / (T{1} + std::exp(-value)); };
  const auto softplus = [](T value) { return value > T{20} ? value : std::log1p(std::exp(value)); };
  switch (function.kind) {
    case Kind::relu:
      return x > 0 || std::isnan(x) ? x : (alpha == 0 ? T{0} : alpha * x);
    case Kind::elu:
      return x > 0 ? x : alpha * std::expm1(x);
    case Kind::gelu_erf:
      return x / 2 * (1 + std::erf(x * kSqrtHalf));
    case Kind::gelu_tanh:
      return x / 2 * (1 + std::tanh(kSqrtTwoOverPi * (x + T(0.044715) * x * x * x)));
    case Kind::silu:
      return x * sigmoid(x);
    case Kind::sigmoid:
      return sigmoid(x);
    case Kind::tanh:
      return std::tanh(x);
    case Kind::exp:
      return std::exp(x);
    case Kind::log:
      return std::log(x);
    case Kind::sqrt:
      return std::sqrt(x);
    case Kind::abs:
      return std::abs(x);
    case Kind::square:
      return x * x;
    case Kind::softplus:
      return softplus(x);
    case Kind::mish:
      return x * std::tanh(softplus(x));
    case Kind::hardswish:
      return x * std::clamp(x / 6 + T(0.5), T{0}, T{1});
    case Kind::linear:
      return alpha * x + beta;
    case Kind::clip:
      return std::isnan(x) ? x : std::clamp(x, alpha, beta);
    case Kind::pow:
      return alpha * std::pow(x, beta);
    case Kind::round:
      return std::nearbyint(x);
  }
  return x;
}

/// An operation on each element of two tensors.
enum class Binary : std::uint8_t { add, sub, mul, div, minimum, maximum };

}  // namespace quern
