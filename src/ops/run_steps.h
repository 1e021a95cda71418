#pragma once

#include <span>
#include <vector>

#include "ops/step.h"
#include "quern/tensor.h"

namespace quern::ops {

/// dst = the steps applied to it, f32 and contiguous or with channels last, for products that take
/// none of them. `operands`: one for each step that has one, broadcasting to dst, none of them dst.
void run_steps(const std::vector<Step>& steps, std::span<const Tensor> operands, const Tensor& dst);

}  // namespace quern::ops
