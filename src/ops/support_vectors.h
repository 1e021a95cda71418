#pragma once

#include <span>
#include <vector>

#include "quern/tensor.h"

namespace quern::ops {

/// How alike two rows are: x·v, (gamma x·v + offset)^degree, exp(-gamma |x - v|²) or
/// tanh(gamma x·v + offset).
struct SimilarityKernel {
  enum class Kind { linear, polynomial, radial, sigmoid } kind = Kind::linear;
  float gamma = 0.f;
  float offset = 0.f;
  float degree = 0.f;
};

/// x [rows, features] and vectors [count, features], f32 -> [rows, count]. Throws:
/// `invalid_argument`.
Tensor similarities(const Tensor& x, const Tensor& vectors, const SimilarityKernel& kernel);

/// Probabilities of `classes` classes from those that class i wins against j, at [i * classes + j]
/// (Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling",
/// 2004, the second method).
std::vector<float> couple_pairs(std::span<const float> wins, std::size_t classes);

}  // namespace quern::ops
