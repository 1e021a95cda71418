#pragma once

#include <span>

#include "quern/export.h"
#include "quern/tensor.h"

/// Reductions; no axes means all of them.
namespace quern::ops {

/// i64 for integers, else x's dtype. Every numeric dtype; `mean` floating ones.
QUERN_API Tensor sum(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
QUERN_API Tensor mean(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
/// Throws `invalid_argument` over no elements; NaN wins.
QUERN_API Tensor max(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
QUERN_API Tensor min(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
/// i64 index of the first largest element along `axis`, which is dropped; NaN wins.
QUERN_API Tensor argmax(const Tensor& x, int axis = -1);

}  // namespace quern::ops
