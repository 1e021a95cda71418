#pragma once

#include <span>

#include "backend/operation.h"
#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

/// dst [..., m, n] = a [..., m, k] · b [..., k, n], leading axes broadcast to dst's.
struct MatMulArgs {
  Tensor a, b;
  Tensor dst;  ///< contiguous
};

std::span<const Implementation<MatMulArgs>> matmul_implementations();

/// Whether oneDNN's matmul takes the matrices as they lie: a unit stride along rows or columns, and
/// no overlap.
bool has_plain_layout(const Tensor& matrices);
/// An operand as oneDNN's matmul reads it: broadcast leading axes have size 1.
backend::TensorDesc describe_operand(const Tensor& matrices);

}  // namespace quern::ops
