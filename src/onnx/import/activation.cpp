#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

using ops::GeluForm;

template <Tensor (*function)(const Tensor&)>
KernelPtr unary(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return function(in[0]); });
}

KernelPtr leaky_relu(const Node& node, const ImportContext&) {
  const float alpha = node.attributes.get("alpha", 0.01f);
  return make_kernel([alpha](const Inputs& in) { return ops::leaky_relu(in[0], alpha); });
}

KernelPtr elu(const Node& node, const ImportContext&) {
  const float alpha = node.attributes.get("alpha", 1.f);
  return make_kernel([alpha](const Inputs& in) { return ops::elu(in[0], alpha); });
}

KernelPtr gelu(const Node& node, const ImportContext&) {
  const std::string form = node.attributes.get("approximate", "none");
  if (form != "none" && form != "tanh")
    fail(ErrorCode::corrupt_file, "Gelu: approximate is \"{}\"; known: none, tanh", form);
  const GeluForm wanted = form == "tanh" ? GeluForm::tanh : GeluForm::erf;
  return make_kernel([wanted](const Inputs& in) { return ops::gelu(in[0], wanted); });
}

constexpr auto kSame = ShapesFrom::input_shapes;

constexpr Operator kOperators[] = {
    {"Elu", 6, elu, kSame},
    {"Gelu", 20, gelu, kSame},
    {"HardSwish", 14, unary<ops::hardswish>, kSame},
    {"LeakyRelu", 6, leaky_relu, kSame},
    {"Mish", 18, unary<ops::mish>, kSame},
    {"Relu", 6, unary<ops::relu>, kSame},
    {"Sigmoid", 6, unary<ops::sigmoid>, kSame},
    {"Softplus", 1, unary<ops::softplus>, kSame},
    {"Tanh", 6, unary<ops::tanh>, kSame},
};

}  // namespace

OperatorTable activation_operators() { return kOperators; }

}  // namespace quern::onnx
