#include "ops/step_post_op.h"

namespace quern::ops {

backend::PostOp to_post_op(const Step& step) {
  if (step.has_operand()) return backend::PostOp::with(step.operation(), {});
  const ActivationFunction& function = step.function();
  return backend::PostOp::apply(function.kind, function.alpha, function.beta);
}

}  // namespace quern::ops
