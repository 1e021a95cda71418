#include "onnx/import/ml/scores.h"

#include <algorithm>
#include <array>

#include "core/format.h"
#include "quern/ops.h"

namespace quern::onnx {

ops::ScoreTransform score_transform(const Node& node) {
  using enum ops::ScoreTransform;
  constexpr std::array kNames = {
      std::pair{"NONE", none}, std::pair{"SOFTMAX", softmax}, std::pair{"LOGISTIC", logistic},
      std::pair{"SOFTMAX_ZERO", softmax_zero}, std::pair{"PROBIT", probit}};
  const std::string name = node.attributes.get("post_transform", "NONE");
  const auto* found =
      std::ranges::find_if(kNames, [&](const auto& entry) { return entry.first == name; });
  if (found == kNames.end()) {
    fail(ErrorCode::corrupt_file,
         "post_transform is \"{}\"; known: NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT", name);
  }
  return found->second;
}

ClassLabels::ClassLabels(const Node& node, std::string_view integers) {
  const auto numbers = node.attributes.ints(integers);
  const auto names = node.attributes.find<std::vector<std::string>>("classlabels_strings")
                         .value_or(std::vector<std::string>{});
  if (numbers.empty() == names.empty())
    fail(ErrorCode::corrupt_file, "expected labels of one kind: {} strings and {} integers",
         names.size(), numbers.size());
  labels_ = names.empty() ? Tensor::from(numbers, {static_cast<std::int64_t>(numbers.size())})
                          : Tensor::from(names, {static_cast<std::int64_t>(names.size())});
}

Tensor ClassLabels::of_best(const Tensor& scores) const {
  require(scores.dim(1) == count(), "{} scores for {} labels", scores.dim(1), count());
  return ops::gather(labels_, ops::argmax(scores, 1));
}

Tensor ClassLabels::of_sign(const Tensor& scores, float threshold) const {
  const Tensor dense = scores.contiguous();
  Tensor above = Tensor::empty({scores.dim(0)}, DType::i64);
  std::ranges::transform(dense.data<float>(), above.mutable_data<std::int64_t>().begin(),
                         [&](float score) { return std::int64_t{score > threshold}; });
  if (count() == 2) return ops::gather(labels_, above);
  const Tensor neither = labels_.dtype() == DType::string ? Tensor::empty({1}, DType::string)
                                                          : Tensor::zeros({1}, DType::i64);
  const Tensor parts[] = {neither, labels_.slice(0, 0, 1)};
  return ops::gather(ops::concat(parts, 0), above);
}

}  // namespace quern::onnx
