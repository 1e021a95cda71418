#pragma once

#include <span>

#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

/// dst [..., m, n] = a [..., m, k] · b [..., k, n], leading axes broadcast to dst's.
struct MatMulArgs {
  Tensor a, b;
  Tensor dst;  ///< contiguous
};

std::span<const Implementation<MatMulArgs>> matmul_implementations();

}  // namespace quern::ops
