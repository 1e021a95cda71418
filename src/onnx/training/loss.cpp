#include "onnx/training/loss.h"

#include <cmath>

#include "ops/elements.h"
#include "quern/ops.h"

namespace quern::onnx::training {
namespace {

/// Places of the targets and what each counts.
struct Places {
  Tensor targets;  ///< i64, contiguous
  std::int64_t classes;
  std::int64_t inner;  ///< targets of one element of the batch
};

Places check_places(const Tensor& scores, const Tensor& targets, const LossOptions& options) {
  require(scores.rank() >= 2, "loss: expected scores [batch, classes, ...], got {}",
          scores.shape());
  Shape expected{scores.dim(0)};
  for (int axis = 2; axis < scores.rank(); ++axis) expected.push_back(scores.dim(axis));
  require(targets.shape() == expected, "loss: targets have shape {}, expected {}", targets.shape(),
          expected);
  require(targets.dtype() == DType::i32 || targets.dtype() == DType::i64,
          "loss: targets have dtype {}, expected i32 or i64", targets.dtype());
  const std::int64_t classes = scores.dim(1);
  if (options.weight) {
    ops::require_same_dtype("loss", scores, *options.weight);
    require(options.weight->shape() == Shape{classes}, "loss: weight has shape {}, expected [{}]",
            options.weight->shape(), classes);
  }
  const Tensor places = targets.cast(DType::i64).contiguous();
  for (const std::int64_t target : places.data<std::int64_t>()) {
    require(target == options.ignore_index || (target >= 0 && target < classes),
            "loss: target {} is out of range for {} classes", target, classes);
  }
  const std::int64_t batch = scores.dim(0);
  return {places, classes, batch == 0 ? 0 : places.numel() / batch};
}

Tensor reduced(const Tensor& losses, double total_weight, LossReduction reduction) {
  if (reduction == LossReduction::none) return losses;
  const Tensor total = ops::sum(losses);
  if (reduction == LossReduction::sum) return total;
  return ops::div(total, Tensor::full({}, total_weight, total.dtype()));
}

}  // namespace

Tensor nll_loss(const Tensor& log_probs, const Tensor& targets, const LossOptions& options) {
  const Places places = check_places(log_probs, targets, options);
  const Tensor scores = log_probs.contiguous();
  Tensor losses = Tensor::empty(targets.shape(), log_probs.dtype());
  double total_weight = 0;
  visit_floating("nll_loss", scores.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Wide = Compute<T>;
    const Tensor weight = options.weight ? options.weight->contiguous()
                                         : Tensor::full({places.classes}, 1, scores.dtype());
    const T* score = scores.data<T>().data();
    const T* weights = weight.data<T>().data();
    T* loss = losses.mutable_data<T>().data();
    const auto target = places.targets.data<std::int64_t>();
    for (std::size_t i = 0; i < target.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const bool counts = target[i] != options.ignore_index;
      const std::int64_t chosen = counts ? target[i] : 0;
      const std::int64_t row = at / places.inner * places.classes + chosen;
      const Wide factor = counts ? static_cast<Wide>(weights[chosen]) : Wide{0};
      loss[i] = counts
                    ? T(-factor * static_cast<Wide>(score[row * places.inner + at % places.inner]))
                    : T(Wide{0});
      total_weight += static_cast<double>(factor);
    }
  });
  return reduced(losses, total_weight, options.reduction);
}

}  // namespace quern::onnx::training
