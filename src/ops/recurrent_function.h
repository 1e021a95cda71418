#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>

#include "kernels/activation.h"
#include "quern/ops/recurrent.h"

namespace quern::ops {

template <class T>
T evaluate(const RecurrentFunction& function, T x) {
  using Kind = RecurrentFunction::Kind;
  const T alpha = function.alpha;
  const T beta = function.beta;
  switch (function.kind) {
    case Kind::sigmoid:
      return T{1} / (T{1} + std::exp(-x));
    case Kind::tanh:
      return std::tanh(x);
    case Kind::relu:
      return x < 0 ? T{0} : x;
    case Kind::affine:
      return alpha * x + beta;
    case Kind::leaky_relu:
      return x < 0 ? alpha * x : x;
    case Kind::thresholded_relu:
      return x > alpha ? x : T{0};
    case Kind::scaled_tanh:
      return alpha * std::tanh(beta * x);
    case Kind::hard_sigmoid:
      return std::clamp(alpha * x + beta, T{0}, T{1});
    case Kind::elu:
      return x < 0 ? alpha * std::expm1(x) : x;
    case Kind::softsign:
      return x / (T{1} + std::abs(x));
    case Kind::softplus:
      return x > T{20} ? x : std::log1p(std::exp(x));
  }
  return x;
}

/// The functions of one direction, what they are given limited first.
class RecurrentFunctions {
 public:
  RecurrentFunctions(std::span<const RecurrentFunction> functions, float clip)
      : functions_(functions), clip_(clip) {}

  /// The function at `index` of each of `count` values.
  template <class T>
  void apply(std::size_t index, T* values, std::int64_t count) const {
    const T limit = clip_;
    if (limit > 0) {
      for (std::int64_t i = 0; i < count; ++i) values[i] = std::clamp(values[i], -limit, limit);
    }
    const RecurrentFunction& function = functions_[index];
    if constexpr (std::is_same_v<T, float>) {
      using Kind = RecurrentFunction::Kind;
      if (function.kind == Kind::sigmoid)
        return kernels::activate(ActivationFunction::Kind::sigmoid, values, nullptr, count, values);
      if (function.kind == Kind::tanh)
        return kernels::activate(ActivationFunction::Kind::tanh, values, nullptr, count, values);
    }
    for (std::int64_t i = 0; i < count; ++i) values[i] = evaluate(function, values[i]);
  }

 private:
  std::span<const RecurrentFunction> functions_;
  float clip_;
};

}  // namespace quern::ops
