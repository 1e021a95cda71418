#pragma once

#include <cstdint>
#include <span>

#include "quern/export.h"
#include "quern/tensor.h"

/// Reductions, running totals, and the best elements of an axis; every numeric dtype where nothing
/// else is said. In reductions no axes means all of them.
namespace quern::ops {

/// i64 for integers, else x's dtype; integers wrap.
QUERN_API Tensor sum(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
QUERN_API Tensor prod(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
/// Floating dtypes.
QUERN_API Tensor mean(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
/// log(sum(exp(x))) without overflow; floating dtypes.
QUERN_API Tensor log_sum_exp(const Tensor& x, std::span<const int> axes = {},
                             bool keep_dims = false);
/// Throws `invalid_argument` over no elements; NaN wins.
QUERN_API Tensor max(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);
QUERN_API Tensor min(const Tensor& x, std::span<const int> axes = {}, bool keep_dims = false);

/// Which of equal elements is meant.
enum class Ties { first, last };
/// i64 index of the largest element along `axis`, which is dropped; NaN wins.
QUERN_API Tensor argmax(const Tensor& x, int axis = -1, Ties ties = Ties::first);
QUERN_API Tensor argmin(const Tensor& x, int axis = -1, Ties ties = Ties::first);

struct RunningOptions {
  bool exclusive = false;  ///< of the elements before each, without its own
  bool reverse = false;    ///< from the end
};
/// Running totals along `axis`, in x's dtype; integers wrap. All dtypes but bool.
QUERN_API Tensor cumsum(const Tensor& x, int axis, const RunningOptions& options = {});
QUERN_API Tensor cumprod(const Tensor& x, int axis, const RunningOptions& options = {});

struct TopK {
  Tensor values;   ///< best first; of equal ones the first of x
  Tensor indices;  ///< i64, along the axis
};
struct TopKOptions {
  int axis = -1;
  bool largest = true;
};
/// The `k` largest or smallest elements along an axis; NaN is larger than all. Throws
/// `invalid_argument` where `k` is more than the axis has.
QUERN_API TopK topk(const Tensor& x, std::int64_t k, const TopKOptions& options = {});

}  // namespace quern::ops
