#include "ops/run_steps.h"

#include <optional>

#include "ops/binary.h"
#include "ops/eltwise.h"
#include "ops/layout.h"
#include "ops/step_post_op.h"
#include "ops/step_tail.h"

namespace quern::ops {
namespace {

/// `x` with its axes in the order in which those of `dst` lie.
Tensor as_stored(const Tensor& x, const Tensor& dst) {
  if (dst.is_contiguous()) return x;
  Shape axes{0};
  for (int axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
  axes.push_back(1);
  return x.permute(axes);
}

}  // namespace

void run_steps(const std::vector<Step>& steps, std::span<const Tensor> operands,
               const Tensor& dst) {
  auto tail = step_tail(steps);
  if (tail && tail->adds && operands.back().shape() != dst.shape()) tail.reset();
  const Tensor stored = as_stored(dst, dst);
  std::size_t used = 0;
  for (const Step& given : std::span(steps).first(tail ? tail->begin : steps.size())) {
    const backend::PostOp step = to_post_op(given);
    if (given.has_operand()) {
      const Tensor operand = operands[used++].cast(dst.dtype()).expand(dst.shape());
      run_first(binary_implementations(),
                BinaryArgs{step.binary, stored, as_stored(operand, dst), stored});
    } else {
      run_first(eltwise_implementations(),
                EltwiseArgs{step.eltwise, stored, stored, step.alpha, step.beta});
    }
  }
  if (!tail) return;
  const Layout layout = dst.is_contiguous() ? Layout::contiguous : Layout::channels_last;
  std::optional<Tensor> addend;
  if (tail->adds) addend = in_layout(operands.back(), DType::f32, layout);
  tail->run(dst, addend);
}

}  // namespace quern::ops
