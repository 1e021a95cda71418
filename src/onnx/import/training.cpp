#include "core/format.h"
#include "onnx/import/import.h"
#include "onnx/training/loss.h"
#include "onnx/training/optimizer.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

training::LossOptions loss_options(const Node& node) {
  training::LossOptions options;
  options.ignore_index = node.attributes.find<std::int64_t>("ignore_index");
  const std::string reduction = node.attributes.get("reduction", "mean");
  if (reduction == "none") {
    options.reduction = training::LossReduction::none;
  } else if (reduction == "sum") {
    options.reduction = training::LossReduction::sum;
  } else if (reduction != "mean") {
    fail(ErrorCode::corrupt_file, "reduction is \"{}\"; known: none, sum, mean", reduction);
  }
  return options;
}

KernelPtr nll_loss(const Node& node, const ImportContext&) {
  return make_kernel([bound = loss_options(node)](const Inputs& in) {
    training::LossOptions options = bound;
    options.weight = in.find(2);
    return training::nll_loss(in[0], in[1], options);
  });
}

KernelPtr cross_entropy(const Node& node, const ImportContext&) {
  return make_kernel([bound = loss_options(node)](const Inputs& in) {
    training::LossOptions options = bound;
    options.weight = in.find(2);
    const Tensor log_probs = ops::log_softmax(in[0], 1);
    return std::vector{training::nll_loss(log_probs, in[1], options), log_probs};
  });
}

/// An optimiser's inputs: the rate, the step, then all parameters, all gradients, and all tensors
/// of each kind of state. Its outputs: the next parameters, then the next states.
template <std::size_t states, class Step>
KernelPtr optimiser(const Step& advance) {
  return make_kernel([advance](const Inputs& in) {
    constexpr std::size_t kinds = states + 2;
    require(in.size() > 2 && (in.size() - 2) % kinds == 0,
            "{} inputs, expected 2 and {} for each "
            "parameter",
            in.size(), kinds);
    const std::size_t count = (in.size() - 2) / kinds;
    const float rate = in[0].cast(DType::f32).item<float>();
    require(in[1].numel() == 1, "T has shape {}, expected one element", in[1].shape());
    const std::int64_t step = in.ints(1)[0];
    std::vector<Tensor> out((states + 1) * count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto tensor = [&](std::size_t kind) -> const Tensor& {
        return in[2 + kind * count + i];
      };
      const std::array<Tensor, states + 1> next = advance(tensor, rate, step);
      for (std::size_t kind = 0; kind < next.size(); ++kind) out[kind * count + i] = next[kind];
    }
    return out;
  });
}

KernelPtr adagrad(const Node& node, const ImportContext&) {
  training::AdagradOptions bound;
  bound.decay_factor = node.attributes.get("decay_factor", 0.f);
  bound.epsilon = node.attributes.get("epsilon", 1e-6f);
  bound.norm_coefficient = node.attributes.get("norm_coefficient", 0.f);
  return optimiser<1>([bound](const auto& tensor, float rate, std::int64_t step) {
    training::AdagradOptions options = bound;
    options.rate = rate;
    const auto next = training::adagrad({tensor(0), tensor(2)}, tensor(1), step, options);
    return std::array{next.parameter, next.squares};
  });
}

KernelPtr adam(const Node& node, const ImportContext&) {
  training::AdamOptions bound;
  bound.alpha = node.attributes.get("alpha", 0.9f);
  bound.beta = node.attributes.get("beta", 0.999f);
  bound.epsilon = node.attributes.get("epsilon", 1e-6f);
  bound.norm_coefficient = node.attributes.get("norm_coefficient", 0.f);
  bound.norm_coefficient_post = node.attributes.get("norm_coefficient_post", 0.f);
  return optimiser<2>([bound](const auto& tensor, float rate, std::int64_t step) {
    training::AdamOptions options = bound;
    options.rate = rate;
    const auto next = training::adam({tensor(0), tensor(2), tensor(3)}, tensor(1), step, options);
    return std::array{next.parameter, next.mean, next.mean_square};
  });
}

KernelPtr momentum(const Node& node, const ImportContext&) {
  training::MomentumOptions bound;
  bound.alpha = node.attributes.get<float>("alpha");
  bound.beta = node.attributes.get<float>("beta");
  bound.norm_coefficient = node.attributes.get<float>("norm_coefficient");
  const auto& mode = node.attributes.get<std::string>("mode");
  if (mode != "standard" && mode != "nesterov")
    fail(ErrorCode::corrupt_file, "mode is \"{}\"; known: standard, nesterov", mode);
  bound.nesterov = mode == "nesterov";
  return optimiser<1>([bound](const auto& tensor, float rate, std::int64_t step) {
    training::MomentumOptions options = bound;
    options.rate = rate;
    const auto next = training::momentum({tensor(0), tensor(2)}, tensor(1), step, options);
    return std::array{next.parameter, next.momentum};
  });
}

/// x summed over the axes along which `like` has size 1 or which it lacks.
Tensor sum_to(const Tensor& x, const Shape& like) {
  require(x.rank() >= like.rank(), "a gradient {} of a value {}", x.shape(), like);
  const int extra = x.rank() - like.rank();
  std::vector<int> axes;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < extra || (like[axis - extra] == 1 && x.dim(axis) != 1)) axes.push_back(axis);
  }
  return (axes.empty() ? x : ops::sum(x, axes, true)).reshape(like);
}

KernelPtr sum_to(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return sum_to(in[0], in[1].shape()); });
}

// clang-format off
constexpr Operator kTrainingOperators[] = {
    {.op_type = "Adagrad", .domain = kTraining, .inputs = {3, kAnyNumber}, .import = adagrad,
     .mapping = {.shapes = kSame}},
    {.op_type = "Adam", .domain = kTraining, .inputs = {3, kAnyNumber}, .import = adam,
     .mapping = {.shapes = kSame}},
    {.op_type = "Momentum", .domain = kTraining, .inputs = {3, kAnyNumber}, .import = momentum,
     .mapping = {.shapes = kSame}},
    {.op_type = "NegativeLogLikelihoodLoss", .since = 12, .inputs = {2, 3}, .import = nll_loss,
     .mapping = {.shapes = kSame}},
    {.op_type = "SoftmaxCrossEntropyLoss", .since = 12, .inputs = {2, 3}, .import = cross_entropy,
     .mapping = {.shapes = kSame}},
    {.op_type = "SumTo", .domain = kQuern, .import = sum_to, .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable training_operators() { return kTrainingOperators; }

}  // namespace quern::onnx
