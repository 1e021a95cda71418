#pragma once

#include "backend/operation.h"
#include "ops/step.h"

namespace quern::ops {

/// The step as oneDNN's operations take it; the operand of a binary one is to be described.
backend::PostOp to_post_op(const Step& step);

}  // namespace quern::ops
