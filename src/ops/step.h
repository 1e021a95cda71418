#pragma once

#include <string_view>
#include <vector>

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
    gelu_erf, gelu_tanh, silu, sigmoid, tanh, mish, hardswish,
    linear,                                // alpha * x + beta
    clip                                   // min(max(x, alpha), beta)
    // clang-format on
  } kind = Kind::relu;
  float alpha = 0.f;
  float beta = 0.f;

  bool has_operand() const noexcept { return kind <= Kind::maximum; }
  /// Whether oneDNN's operations keep a NaN through it, and give its values at infinities.
  bool keeps_non_finite() const noexcept {
    return has_operand() || (kind == Kind::relu && alpha != 0.f) || kind == Kind::linear;
  }
};

/// Whether the steps after a product give what their functions would of any values, and not of
/// finite ones only: what a kernel of ours does after the product it does for all.
bool keep_non_finite(const std::vector<Step>& steps);

/// The kind of that name, as it stands in the enum. Throws: `invalid_argument`, naming those known.
Step::Kind step_kind(std::string_view name);

}  // namespace quern::ops
