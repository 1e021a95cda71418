#include "ops/step_tail.h"

#include "ops/eltwise.h"
#include "ops/step_post_op.h"

namespace quern::ops {

void StepTail::run(const Tensor& dst, const std::optional<Tensor>& addend) const {
  Tensor result = dst;
  auto* data = static_cast<float*>(result.mutable_raw());
  kernels::activate(function, data, addend ? static_cast<const float*>(addend->raw()) : nullptr,
                    dst.numel(), data);
}

std::optional<StepTail> step_tail(const std::vector<Step>& steps) {
  const bool adds = !steps.empty() && steps.back().kind == Step::Kind::add;
  const std::size_t count = steps.size() - (adds ? 1 : 0);
  if (count == 0 || steps[count - 1].has_operand()) return std::nullopt;
  const auto function = activation_kernel(to_post_op(steps[count - 1]).eltwise);
  return function ? std::optional(StepTail{count - 1, *function, adds}) : std::nullopt;
}

}  // namespace quern::ops
