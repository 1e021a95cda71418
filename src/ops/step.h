#pragma once

#include <string_view>

namespace quern::ops {

/// One step applied to a product's result before it is stored: a function of each element, or an
/// operation with another tensor that broadcasts to the result (a residual, a scale for each
/// channel).
struct Step {
  enum class Kind {
    // clang-format off
    add, sub, mul, div, minimum, maximum,  // with an operand
    relu,                                  // max(x, 0) + alpha * min(x, 0)
    elu,                                   // below 0: alpha * (exp(x) - 1)
    gelu_erf, gelu_tanh, silu, sigmoid, tanh, mish, hardswish, softplus,
    linear,                                // alpha * x + beta
    clip                                   // min(max(x, alpha), beta)
    // clang-format on
  } kind = Kind::relu;
  float alpha = 0.f;
  float beta = 0.f;

  bool has_operand() const noexcept { return kind <= Kind::maximum; }
};

/// The kind of that name, as it stands in the enum. Throws: `invalid_argument`, naming those known.
Step::Kind step_kind(std::string_view name);

}  // namespace quern::ops
