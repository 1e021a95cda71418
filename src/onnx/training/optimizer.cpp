#include "onnx/training/optimizer.h"

#include <cmath>

#include "ops/elements.h"
#include "quern/ops.h"

namespace quern::onnx::training {
namespace {

void check_state(const char* name, const Tensor& gradient,
                 std::initializer_list<const Tensor*> state) {
  for (const Tensor* tensor : state) {
    ops::require_same_dtype(name, gradient, *tensor);
    require(tensor->shape() == gradient.shape(), "{}: gradient {} and state {} differ in shape",
            name, gradient.shape(), tensor->shape());
  }
}

Tensor scaled(const Tensor& x, double factor) {
  return ops::mul(x, Tensor::full({}, factor, x.dtype()));
}

/// a * x + b * y.
Tensor mixed(double a, const Tensor& x, double b, const Tensor& y) {
  return ops::add(scaled(x, a), scaled(y, b));
}

/// With the gradient of L2 regularisation.
Tensor regularised(const Tensor& gradient, float coefficient, const Tensor& parameter) {
  return mixed(coefficient, parameter, 1, gradient);
}

/// rate * step / (sqrt(squares) + epsilon).
Tensor normalised_step(double rate, const Tensor& step, const Tensor& squares, float epsilon) {
  return ops::div(scaled(step, rate),
                  ops::add(ops::sqrt(squares), Tensor::full({}, epsilon, squares.dtype())));
}

}  // namespace

AdagradState adagrad(const AdagradState& state, const Tensor& gradient, std::int64_t step,
                     const AdagradOptions& options) {
  check_state("adagrad", gradient, {&state.parameter, &state.squares});
  const double rate = options.rate / (1 + static_cast<double>(step) * options.decay_factor);
  const Tensor full = regularised(gradient, options.norm_coefficient, state.parameter);
  const Tensor squares = ops::add(state.squares, ops::square(full));
  return {ops::sub(state.parameter, normalised_step(rate, full, squares, options.epsilon)),
          squares};
}

AdamState adam(const AdamState& state, const Tensor& gradient, std::int64_t step,
               const AdamOptions& options) {
  check_state("adam", gradient, {&state.parameter, &state.mean, &state.mean_square});
  const Tensor full = regularised(gradient, options.norm_coefficient, state.parameter);
  const Tensor mean = mixed(options.alpha, state.mean, 1 - options.alpha, full);
  const Tensor mean_square =
      mixed(options.beta, state.mean_square, 1 - options.beta, ops::square(full));
  double rate = options.rate;
  if (step > 0) {
    const auto steps = static_cast<double>(step);
    rate *= std::sqrt(1 - std::pow(options.beta, steps)) / (1 - std::pow(options.alpha, steps));
  }
  const Tensor moved =
      ops::sub(state.parameter, normalised_step(rate, mean, mean_square, options.epsilon));
  return {scaled(moved, 1 - options.norm_coefficient_post), mean, mean_square};
}

MomentumState momentum(const MomentumState& state, const Tensor& gradient, std::int64_t step,
                       const MomentumOptions& options) {
  check_state("momentum", gradient, {&state.parameter, &state.momentum});
  const Tensor full = regularised(gradient, options.norm_coefficient, state.parameter);
  const double beta = step > 0 ? options.beta : 1;
  const Tensor next = mixed(options.alpha, state.momentum, beta, full);
  const Tensor move = options.nesterov ? mixed(1, full, options.alpha, next) : next;
  return {ops::sub(state.parameter, scaled(move, options.rate)), next};
}

}  // namespace quern::onnx::training
