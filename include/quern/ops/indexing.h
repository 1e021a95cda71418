#pragma once

#include <optional>

#include "quern/export.h"
#include "quern/tensor.h"
#include "quern/weights.h"

/// Elements chosen by index; every dtype. Indices are i32 or i64, and count from the end where they
/// are negative. All throw `invalid_argument` for an index out of range.
namespace quern::ops {

/// Slices of `x` along `axis` at `indices`, whose axes take its place.
QUERN_API Tensor gather(const Tensor& x, const Tensor& indices, int axis = 0);
/// Rows of `table` [vocabulary, dim] at `ids` (i32 or i64) -> [..., dim]; quantised rows are
/// decoded to f32. Throws `invalid_argument` for an id out of range or negative.
QUERN_API Tensor embedding(const Weight& table, const Tensor& ids);
/// For each element of `indices`, of x's rank, the element of `x` at the same place but for `axis`,
/// where the index says.
QUERN_API Tensor gather_elements(const Tensor& x, const Tensor& indices, int axis = 0);
/// Each row of `indices` [..., k] is the start of a place in `x`, after `batch_dims` axes that the
/// two share: [..., the axes of x that rows do not fix].
QUERN_API Tensor gather_nd(const Tensor& x, const Tensor& indices, int batch_dims = 0);

/// What becomes of an element and the one scattered on it.
enum class ScatterReduction { none, add, mul, min, max };
/// `x` with `updates` put where gather_elements would take them from; the last of one place stays.
QUERN_API Tensor scatter_elements(const Tensor& x, const Tensor& indices, const Tensor& updates,
                                  int axis = 0,
                                  ScatterReduction reduction = ScatterReduction::none);
/// `x` with `updates` put where gather_nd would take them from.
QUERN_API Tensor scatter_nd(const Tensor& x, const Tensor& indices, const Tensor& updates,
                            ScatterReduction reduction = ScatterReduction::none);
/// `x` [batch, ...] with the rows of `update` written along `axis` from starts[batch] on (none: 0);
/// `circular`: on from the front where the end is reached.
QUERN_API Tensor scatter_rows(const Tensor& x, const Tensor& update,
                              const std::optional<Tensor>& starts, int axis, bool circular = false);

/// `values` [off, on] -> for each of `indices` (any numeric dtype) `depth` elements along a new
/// `axis` of the result; an index out of range has none that is on.
QUERN_API Tensor one_hot(const Tensor& indices, std::int64_t depth, const Tensor& values,
                         int axis = -1);
/// Indices, i64 [rank, count], of the elements that are not zero (or empty), in row-major order.
QUERN_API Tensor nonzero(const Tensor& x);
/// Slices along `axis` where `mask` (bool) is true; without an axis, of all elements in a row.
QUERN_API Tensor compress(const Tensor& x, const Tensor& mask, std::optional<int> axis = {});

/// The different slices of a tensor, and where they were; indices are i64.
struct UniqueResult {
  Tensor values;
  Tensor first;    ///< of each value, its first place
  Tensor inverse;  ///< of each slice, its value's place
  Tensor counts;   ///< of each value, how often it is there
};
/// The different slices along `axis`, or elements, in ascending order (`sorted`) or that of their
/// first places. NaN equals NaN.
QUERN_API UniqueResult unique(const Tensor& x, std::optional<int> axis = {}, bool sorted = true);

}  // namespace quern::ops
