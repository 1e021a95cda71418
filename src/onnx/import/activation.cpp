#include "onnx/import/functions.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using ops::GeluForm;

/// A function with one number, which attribute `alpha` gives.
template <Tensor (*function)(const Tensor&, float)>
KernelPtr with_alpha(const Node& node, float preset) {
  const float alpha = node.attributes.get("alpha", preset);
  return make_kernel([alpha](const Inputs& in) { return function(in[0], alpha); });
}

KernelPtr celu(const Node& node, const ImportContext&) { return with_alpha<ops::celu>(node, 1.f); }
KernelPtr elu(const Node& node, const ImportContext&) { return with_alpha<ops::elu>(node, 1.f); }
KernelPtr leaky_relu(const Node& node, const ImportContext&) {
  return with_alpha<ops::leaky_relu>(node, 0.01f);
}
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

KernelPtr gelu(const Node& node, const ImportContext&) {
  const std::string form = node.attributes.get("approximate", "none");
  if (form != "none" && form != "tanh")
    fail(ErrorCode::corrupt_file, "Gelu: approximate is \"{}\"; known: none, tanh", form);
  const GeluForm wanted = form == "tanh" ? GeluForm::tanh : GeluForm::erf;
  return make_kernel([wanted](const Inputs& in) { return ops::gelu(in[0], wanted); });
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

constexpr Operator kActivationOperators[] = {
    {"Celu", 12, celu, kSame},
    {"Elu", 1, elu, kSame},
    {"Gelu", 20, gelu, kSame},
    {"HardSigmoid", 1, hard_sigmoid, kSame},
    {"HardSwish", 14, unary<ops::hardswish>, kSame},
    {"Hardmax", 1, from_axis<ops::hardmax>, kSame},
    {"Hardmax", 13, along_axis<ops::hardmax>, kSame},
    {"LeakyRelu", 1, leaky_relu, kSame},
    {"LogSoftmax", 1, from_axis<ops::log_softmax>, kSame},
    {"LogSoftmax", 13, along_axis<ops::log_softmax>, kSame},
    {"Mish", 18, unary<ops::mish>, kSame},
    {"PRelu", 1, binary<ops::prelu>, kSame},
    {"Relu", 1, unary<ops::relu>, kSame},
    {"Selu", 1, selu, kSame},
    {"Shrink", 9, shrink, kSame},
    {"Sigmoid", 1, unary<ops::sigmoid>, kSame},
    {"Softmax", 1, from_axis<ops::softmax>, kSame},
    {"Softmax", 13, along_axis<ops::softmax>, kSame},
    {"Softplus", 1, unary<ops::softplus>, kSame},
    {"Softsign", 1, unary<ops::softsign>, kSame},
    {"Swish", 24, swish, kSame},
    {"Tanh", 1, unary<ops::tanh>, kSame},
    {"ThresholdedRelu", 1, thresholded_relu, kSame},
};

}  // namespace

OperatorTable activation_operators() { return kActivationOperators; }

}  // namespace quern::onnx
