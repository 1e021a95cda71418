#pragma once

#include <algorithm>
#include <cmath>

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
  RecurrentFunctions(const RecurrentFunction* functions, float clip)
      : functions_(functions), clip_(clip) {}

  template <class T>
  T operator()(int index, T x) const {
    const T limit = clip_;
    return evaluate(functions_[index], limit > 0 ? std::clamp(x, -limit, limit) : x);
  }

 private:
  const RecurrentFunction* functions_;
  float clip_;
};

}  // namespace quern::ops
