#pragma once

#include "ops/layout.h"
#include "quern/ops/pooling.h"

namespace quern::ops {

enum class PoolKind { max, average_of_elements, average_with_pads };

/// Throws: `invalid_argument` for a source smaller than the window.
Shape pool_shape(const char* operation, const Shape& src, const PoolOptions& options);

/// As max_pool and avg_pool, into a result of x's dtype in either layout.
void pool_into(PoolKind kind, const Tensor& x, const PoolOptions& options, const Tensor& dst);
Tensor pool(PoolKind kind, const Tensor& x, const PoolOptions& options, Layout layout);

}  // namespace quern::ops
