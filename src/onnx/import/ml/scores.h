#pragma once

#include "onnx/import/import.h"
#include "quern/ops/tabular.h"

namespace quern::onnx {

/// Attribute `post_transform` of ai.onnx.ml, a name.
ops::ScoreTransform score_transform(const Node& node);

/// The labels of a classifier of ai.onnx.ml, i64 or strings.
class ClassLabels {
 public:
  /// From the attributes `integers` or classlabels_strings.
  ClassLabels(const Node& node, std::string_view integers);

  std::int64_t count() const { return labels_.numel(); }
  /// Of the largest of each row's scores, the first of equal ones.
  Tensor of_best(const Tensor& scores) const;
  /// Of one score a row: the second of two labels where it is above `threshold`, else the first. Of
  /// fewer labels: the label (or 1) above, else 0 (or "").
  Tensor of_sign(const Tensor& scores, float threshold) const;

 private:
  Tensor labels_;
};

}  // namespace quern::onnx
