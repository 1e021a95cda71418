#include <cmath>
#include <limits>

#include "onnx/import/functions.h"
#include "ops/activate.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using Kind = ActivationFunction::Kind;
using MaybeActivation = std::optional<ActivationFunction>;

// ---- What operators are, where that is an activation function ----

template <Kind kind>
MaybeActivation plain(const Node&, const Graph&) {
  return ActivationFunction{kind};
}

MaybeActivation leaky_relu_of(const Node& node, const Graph&) {
  return ActivationFunction{Kind::relu, node.attributes.get("alpha", 0.01f)};
}

MaybeActivation elu_of(const Node& node, const Graph&) {
  return ActivationFunction{Kind::elu, node.attributes.get("alpha", 1.f)};
}

MaybeActivation gelu_of(const Node& node, const Graph&) {
  const std::string form = node.attributes.get("approximate", "none");
  if (form != "none" && form != "tanh") return std::nullopt;
  return ActivationFunction{form == "tanh" ? Kind::gelu_tanh : Kind::gelu_erf};
}

/// Between constants, or the attributes of older opsets.
MaybeActivation clip_of(const Node& node, const Graph& graph) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto bound = [&](std::size_t index, const char* name, double fallback) {
    if (node.opset < 11) {
      const auto given = node.attributes.find<float>(name);
      return std::optional<double>(given ? *given : fallback);
    }
    return node.has_input(index) ? scalar_constant(graph, node.input(index)) : fallback;
  };
  const auto low = bound(1, "min", -kInfinity);
  const auto high = bound(2, "max", kInfinity);
  if (!low || !high || !(*low <= *high)) return std::nullopt;
  return ActivationFunction{Kind::clip, static_cast<float>(*low), static_cast<float>(*high)};
}

/// x * hard_sigmoid(x) with the slopes that have a name.
MaybeActivation gated_by_hard_sigmoid(const Node& node, const Graph&) {
  const bool fits = std::abs(node.attributes.get("alpha", 0.2f) - 1.f / 6) < 1e-7f &&
                    node.attributes.get("beta", 0.5f) == 0.5f;
  return fits ? MaybeActivation(ActivationFunction{Kind::hardswish}) : std::nullopt;
}

// ---- Importers ----

/// Of an operator that always is one.
KernelPtr activation(const Node& node, const ImportContext& context) {
  const auto function = activation_of(node, context.graph);
  if (!function) fail(ErrorCode::internal, "{} is no activation", node.op_type);
  return make_kernel(
      [function = *function](const Inputs& in) { return ops::activate(function, in[0]); });
}

KernelPtr gelu(const Node& node, const ImportContext& context) {
  const std::string form = node.attributes.get("approximate", "none");
  if (form != "none" && form != "tanh")
    fail(ErrorCode::corrupt_file, "Gelu: approximate is \"{}\"; known: none, tanh", form);
  return activation(node, context);
}

KernelPtr clip_by_attributes(const Node& node, const ImportContext&) {
  const auto low = node.attributes.find<float>("min");
  const auto high = node.attributes.find<float>("max");
  return make_kernel([low, high](const Inputs& in) {
    const auto limit = [&](std::optional<float> value) {
      return value ? std::optional(Tensor::full({}, *value, in[0].dtype())) : std::nullopt;
    };
    return ops::clip(in[0], limit(low), limit(high));
  });
}

KernelPtr clip(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return ops::clip(in[0], in.find(1), in.find(2)); });
}

/// A function with one number, which attribute `alpha` gives.
template <Tensor (*function)(const Tensor&, float)>
KernelPtr with_alpha(const Node& node, float preset) {
  const float alpha = node.attributes.get("alpha", preset);
  return make_kernel([alpha](const Inputs& in) { return function(in[0], alpha); });
}

KernelPtr celu(const Node& node, const ImportContext&) { return with_alpha<ops::celu>(node, 1.f); }
KernelPtr swish(const Node& node, const ImportContext&) {
  return with_alpha<ops::swish>(node, 1.f);
}
KernelPtr thresholded_relu(const Node& node, const ImportContext&) {
  return with_alpha<ops::thresholded_relu>(node, 1.f);
}

KernelPtr hard_sigmoid(const Node& node, const ImportContext&) {
  const float alpha = node.attributes.get("alpha", 0.2f);
  const float beta = node.attributes.get("beta", 0.5f);
  return make_kernel([=](const Inputs& in) { return ops::hardsigmoid(in[0], alpha, beta); });
}

KernelPtr selu(const Node& node, const ImportContext&) {
  const float alpha = node.attributes.get("alpha", 1.67326319217681884765625f);
  const float gamma = node.attributes.get("gamma", 1.05070102214813232421875f);
  return make_kernel([=](const Inputs& in) { return ops::selu(in[0], alpha, gamma); });
}

KernelPtr shrink(const Node& node, const ImportContext&) {
  const float lambda = node.attributes.get("lambd", 0.5f);
  const float bias = node.attributes.get("bias", 0.f);
  return make_kernel([=](const Inputs& in) { return ops::shrink(in[0], lambda, bias); });
}

template <Tensor (*function)(const Tensor&, int)>
KernelPtr along_axis(const Node& node, const ImportContext&) {
  const int axis = static_cast<int>(node.attributes.get("axis", std::int64_t{-1}));
  return make_kernel([axis](const Inputs& in) { return function(in[0], axis); });
}

/// As before opset 13: over all axes from `axis` on, as one.
template <Tensor (*function)(const Tensor&, int)>
KernelPtr from_axis(const Node& node, const ImportContext&) {
  const std::int64_t axis = node.attributes.get("axis", std::int64_t{1});
  return make_kernel([axis](const Inputs& in) {
    const Tensor& x = in[0];
    const int rank = x.rank();
    require(axis >= -rank && axis <= rank, "axis {} is out of range for rank {}", axis, rank);
    std::int64_t rows = 1;
    for (int i = 0; i < (axis < 0 ? axis + rank : axis); ++i) rows *= x.shape()[i];
    const std::int64_t columns = x.numel() == 0 ? 0 : x.numel() / rows;
    return function(x.reshape({rows, columns}), 1).reshape(x.shape());
  });
}

// clang-format off
constexpr Operator kActivationOperators[] = {
    {.op_type = "Celu", .since = 12, .inputs = {1, 1}, .import = celu, .mapping = kElementwise},
    {.op_type = "Clip", .inputs = {1, 1}, .import = clip_by_attributes, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_all, .activation = clip_of},
    {.op_type = "Clip", .since = 11, .inputs = {1, 3}, .import = clip, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_all, .activation = clip_of},
    {.op_type = "Elu", .inputs = {1, 1}, .import = activation, .mapping = kElementwise,
     .finite = Finite::of_first, .activation = elu_of},
    {.op_type = "Gelu", .domain = kMicrosoft, .import = gelu, .mapping = {.shapes = kSame},
     .bf16 = {.inputs = 1}, .activation = gelu_of},
    {.op_type = "Gelu", .since = 20, .inputs = {1, 1}, .import = gelu, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .activation = gelu_of},
    {.op_type = "HardSigmoid", .inputs = {1, 1}, .import = hard_sigmoid, .mapping = kElementwise,
     .finite = Finite::of_first, .gated = gated_by_hard_sigmoid},
    {.op_type = "HardSwish", .since = 14, .inputs = {1, 1}, .import = activation,
     .mapping = kElementwise, .bf16 = {.inputs = 1}, .finite = Finite::of_first,
     .activation = plain<Kind::hardswish>},
    {.op_type = "Hardmax", .inputs = {1, 1}, .import = from_axis<ops::hardmax>,
     .mapping = {.shapes = kSame, .rows = follow_softmax}},
    {.op_type = "Hardmax", .since = 13, .inputs = {1, 1}, .import = along_axis<ops::hardmax>,
     .mapping = {.shapes = kSame, .rows = follow_softmax}},
    {.op_type = "LeakyRelu", .inputs = {1, 1}, .import = activation, .mapping = kElementwise,
     .finite = Finite::of_first, .activation = leaky_relu_of},
    {.op_type = "LogSoftmax", .inputs = {1, 1}, .import = from_axis<ops::log_softmax>,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_softmax},
     .gradient = gradients::log_softmax},
    {.op_type = "LogSoftmax", .since = 13, .inputs = {1, 1}, .import = along_axis<ops::log_softmax>,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_softmax},
     .gradient = gradients::log_softmax},
    {.op_type = "Mish", .since = 18, .inputs = {1, 1}, .import = activation,
     .mapping = kElementwise, .finite = Finite::of_first, .activation = plain<Kind::mish>},
    {.op_type = "PRelu", .inputs = {2, 2}, .import = binary<ops::prelu>, .mapping = kBroadcasting,
     .finite = Finite::of_all},
    {.op_type = "Relu", .inputs = {1, 1}, .import = activation, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .activation = plain<Kind::relu>,
     .gradient = gradients::relu},
    {.op_type = "Selu", .inputs = {1, 1}, .import = selu, .mapping = kElementwise},
    {.op_type = "Shrink", .since = 9, .inputs = {1, 1}, .import = shrink, .mapping = kElementwise},
    {.op_type = "Sigmoid", .inputs = {1, 1}, .import = activation, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .activation = plain<Kind::sigmoid>,
     .gated = plain<Kind::silu>, .gradient = gradients::sigmoid},
    {.op_type = "Silu", .domain = kQuern, .import = activation, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_all, .activation = plain<Kind::silu>},
    {.op_type = "Softmax", .inputs = {1, 1}, .import = from_axis<ops::softmax>,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_softmax},
     .finite = Finite::of_first, .gradient = gradients::softmax},
    {.op_type = "Softmax", .since = 13, .inputs = {1, 1}, .import = along_axis<ops::softmax>,
     .mapping = {.shapes = kSame, .dims = same_dims, .rows = follow_softmax},
     .finite = Finite::of_first, .gradient = gradients::softmax},
    {.op_type = "Softplus", .inputs = {1, 1}, .import = unary<ops::softplus>,
     .mapping = kElementwise, .finite = Finite::of_first},
    {.op_type = "Softsign", .inputs = {1, 1}, .import = unary<ops::softsign>,
     .mapping = kElementwise},
    {.op_type = "Swish", .since = 24, .inputs = {1, 1}, .import = swish, .mapping = kElementwise},
    {.op_type = "Tanh", .inputs = {1, 1}, .import = activation, .mapping = kElementwise,
     .bf16 = {.inputs = 1}, .finite = Finite::of_first, .activation = plain<Kind::tanh>,
     .gradient = gradients::tanh},
    {.op_type = "ThresholdedRelu", .import = thresholded_relu, .mapping = kElementwise},
    {.op_type = "ThresholdedRelu", .since = 10, .inputs = {1, 1}, .import = thresholded_relu,
     .mapping = kElementwise},
};
// clang-format on

}  // namespace

void set_activation(Node& node, const ActivationFunction& function) {
  switch (function.kind) {
    case Kind::silu:
      return set_operator(node, kQuern, "Silu", 1);
    case Kind::hardswish:
      return set_operator(node, {}, "HardSwish", 14);
    case Kind::relu:
      node.attributes.set("alpha", function.alpha);
      return set_operator(node, {}, "LeakyRelu", 16);
    case Kind::gelu_erf:
      return set_operator(node, {}, "Gelu", 20);
    case Kind::gelu_tanh:
      node.attributes.set("approximate", std::string("tanh"));
      return set_operator(node, {}, "Gelu", 20);
    default:
      fail(ErrorCode::internal, "no operator is known to be activation {}",
           static_cast<int>(function.kind));
  }
}

OperatorTable activation_operators() { return kActivationOperators; }

}  // namespace quern::onnx
