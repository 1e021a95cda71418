#pragma once

#include "quern/export.h"
#include "quern/tensor.h"

/// Pooling of [batch, channels, ...] over windows of its 1 to 3 spatial axes. Floating dtypes; the
/// largest element also of i8 and u8.
namespace quern::ops {

/// A window and how it moves: a value for each spatial axis, or none for the default.
struct PoolOptions {
  Shape kernel{};
  Shape strides{};     ///< default 1
  Shape dilations{};   ///< distance between two elements of a window; default 1
  Shape pads_begin{};  ///< places before the first element; default 0
  Shape pads_end{};    ///< and after the last
  /// Whether a last window that ends beyond the pads counts too, unless it begins there.
  bool ceil_mode = false;
};

/// Minus infinity (integers: the smallest) where a window holds pads alone; NaN wins.
QUERN_API Tensor max_pool(const Tensor& x, const PoolOptions& options);

struct MaxPoolResult {
  Tensor values;
  Tensor indices;  ///< i64, row-major within the spatial axes of x; -1 for a window of pads alone
};
/// The first of equal elements has the index.
QUERN_API MaxPoolResult max_pool_with_indices(const Tensor& x, const PoolOptions& options);

/// What an average divides by: the elements of a window, or its places that lie within the pads.
enum class AverageOver { elements, places };
/// 0 where a window holds no element.
QUERN_API Tensor avg_pool(const Tensor& x, const PoolOptions& options,
                          AverageOver over = AverageOver::elements);

/// (sum of |x|^p)^(1/p) of each window; p > 0.
QUERN_API Tensor lp_pool(const Tensor& x, float p, const PoolOptions& options);

/// Over all places: [batch, channels, ...] -> [batch, channels, 1, ...], of any number of axes.
QUERN_API Tensor global_max_pool(const Tensor& x);
QUERN_API Tensor global_avg_pool(const Tensor& x);
QUERN_API Tensor global_lp_pool(const Tensor& x, float p);

/// Averages to the given spatial sizes, of windows as even as can be: place i averages from
/// floor(i * size / result) to ceil((i + 1) * size / result). 1 to 3 spatial axes.
QUERN_API Tensor adaptive_avg_pool(const Tensor& x, const Shape& sizes);

}  // namespace quern::ops
