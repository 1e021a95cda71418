#pragma once

#include <vector>

#include "core/activation.h"

namespace quern::ops {

/// One step applied to a product's result before it is stored: a function of each element, or an
/// operation with another tensor that broadcasts to the result (a residual, a scale for each
/// channel), which is given when it runs. What passes put into a fused node is what kernels run.
class Step {
 public:
  Step(const ActivationFunction& function) : function_(function) {}
  Step(ActivationFunction::Kind function, float alpha = 0.f, float beta = 0.f)
      : function_{function, alpha, beta} {}
  Step(Binary operation) : has_operand_(true), operation_(operation) {}

  bool has_operand() const noexcept { return has_operand_; }
  /// Of a step without an operand.
  const ActivationFunction& function() const noexcept { return function_; }
  /// Of a step with one.
  Binary operation() const noexcept { return operation_; }
  bool operator==(const Step&) const = default;

  /// Whether oneDNN's operations keep a NaN through it, and give its values at infinities.
  bool keeps_non_finite() const noexcept {
    const bool is_leaky =
        function_.kind == ActivationFunction::Kind::relu && function_.alpha != 0.f;
    return has_operand_ || is_leaky || function_.kind == ActivationFunction::Kind::linear;
  }

 private:
  bool has_operand_ = false;
  ActivationFunction function_{};
  Binary operation_ = Binary::add;
};

/// Whether the steps after a product give what their functions would of any values, and not of
/// finite ones only: what a kernel of ours does after the product it does for all.
bool keep_non_finite(const std::vector<Step>& steps);

}  // namespace quern::ops
