#pragma once

#include <span>

#include "quern/export.h"
#include "quern/tensor.h"

/// Moving elements; every dtype.
namespace quern::ops {

/// Tensors of one dtype whose shapes differ along `axis` at most.
QUERN_API Tensor concat(std::span<const Tensor> tensors, int axis);

}  // namespace quern::ops
