#pragma once

#include <span>

#include "backend/operation.h"
#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

struct BinaryArgs {
  backend::Binary operation;
  Tensor a, b;  ///< broadcast to dst's shape
  Tensor dst;
};

std::span<const Implementation<BinaryArgs>> binary_implementations();

}  // namespace quern::ops
