#pragma once

#include <optional>
#include <span>

#include "backend/operation.h"
#include "kernels/activation.h"
#include "ops/implementations.h"
#include "quern/tensor.h"

namespace quern::ops {

struct EltwiseArgs {
  backend::Eltwise function;
  Tensor src;  ///< any layout
  Tensor dst;  ///< contiguous, of src's shape and dtype
  float alpha = 0.f;
  float beta = 0.f;
};

std::span<const Implementation<EltwiseArgs>> eltwise_implementations();

/// The kernel of ours for a function of f32.
std::optional<kernels::Activation> activation_kernel(backend::Eltwise function);

/// A floating function of each element.
Tensor eltwise(backend::Eltwise function, const Tensor& x, float alpha = 0.f, float beta = 0.f);

}  // namespace quern::ops
