#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "quern/export.h"
#include "quern/tensor.h"

/// What models of tables do to rows of features and scores, [rows, columns] or one row [columns].
/// Results are f32 where nothing else is said.
namespace quern::ops {

/// What makes scores of a model out of what it sums.
enum class ScoreTransform {
  none,
  softmax,
  logistic,
  softmax_zero,  ///< softmax of the scores that are not 0, which stay 0
  probit         ///< the quantile of the normal distribution
};

/// Over each row; x f32.
QUERN_API Tensor transform_scores(const Tensor& x, ScoreTransform transform);

enum class RowNorm {
  max,  ///< the largest element, whatever its sign
  l1,
  l2
};

/// Rows divided by their norm; rows whose norm is 0 stay. x numeric.
QUERN_API Tensor normalize_rows(const Tensor& x, RowNorm norm);

/// (x - offset) * scale; each [1] or [columns] f32; x numeric.
QUERN_API Tensor scale_features(const Tensor& x, const Tensor& offset, const Tensor& scale);

/// Elements equal to `missing` (NaN: those that are NaN) become the column's value; `values` [1] or
/// [columns] and `missing` [] of x's dtype, f32, f64 or i64, which the result has.
QUERN_API Tensor impute(const Tensor& x, const Tensor& missing, const Tensor& values);

/// 1 where x > threshold, else 0, in x's dtype; numeric.
QUERN_API Tensor binarize(const Tensor& x, float threshold);

/// i64 positions of x's elements in `keys` [n], of one dtype, the last of equal keys; n where there
/// is none. NaN equals NaN. Strings, integers and floating dtypes.
QUERN_API Tensor find_positions(const Tensor& x, const Tensor& keys);

}  // namespace quern::ops
