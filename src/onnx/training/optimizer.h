#pragma once

#include <cstdint>

#include "quern/tensor.h"

/// Steps of optimisers: the next state of one parameter. Its tensors are of one shape and one
/// floating dtype. `step` counts from 0.
namespace quern::onnx::training {

struct AdagradOptions {
  float rate = 1e-3f;
  float decay_factor = 0.f;
  float epsilon = 1e-6f;
  float norm_coefficient = 0.f;  ///< of L2 regularisation
};
struct AdagradState {
  Tensor parameter, squares;
};
/// Duchi et al., 2011.
AdagradState adagrad(const AdagradState& state, const Tensor& gradient, std::int64_t step,
                     const AdagradOptions& options = {});

struct AdamOptions {
  float rate = 1e-3f;
  float alpha = 0.9f;
  float beta = 0.999f;
  float epsilon = 1e-8f;
  float norm_coefficient = 0.f;       ///< of L2 regularisation, of the gradient
  float norm_coefficient_post = 0.f;  ///< of the parameter, after the step
};
struct AdamState {
  Tensor parameter, mean, mean_square;
};
/// Kingma and Ba, 2015.
AdamState adam(const AdamState& state, const Tensor& gradient, std::int64_t step,
               const AdamOptions& options = {});

struct MomentumOptions {
  float rate = 1e-3f;
  float alpha = 0.9f;            ///< how much of the momentum stays
  float beta = 1.f;              ///< of the gradient, after step 0
  float norm_coefficient = 0.f;  ///< of L2 regularisation
  bool nesterov = false;
};
struct MomentumState {
  Tensor parameter, momentum;
};
MomentumState momentum(const MomentumState& state, const Tensor& gradient, std::int64_t step,
                       const MomentumOptions& options = {});

}  // namespace quern::onnx::training
