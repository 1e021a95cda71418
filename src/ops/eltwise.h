#pragma once

#include <span>

#include "backend/operation.h"
#include "core/activation.h"
#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

struct EltwiseArgs {
  ActivationFunction::Kind function;
  Tensor src;  ///< any layout
  Tensor dst;  ///< contiguous, of src's shape and dtype
  float alpha = 0.f;
  float beta = 0.f;
};

std::span<const Implementation<EltwiseArgs>> eltwise_implementations();

/// A floating function of each element.
Tensor eltwise(ActivationFunction::Kind function, const Tensor& x, float alpha = 0.f,
               float beta = 0.f);

}  // namespace quern::ops
