#pragma once

#include <span>

#include "backend/operation.h"
#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

struct ReductionArgs {
  backend::Reduction operation;
  Tensor src;  ///< any layout
  Tensor dst;  ///< contiguous, size 1 along reduced axes
};

std::span<const Implementation<ReductionArgs>> reduction_implementations();

}  // namespace quern::ops
