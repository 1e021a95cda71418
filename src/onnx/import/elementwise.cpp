#include "onnx/import/import.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

template <Tensor (*function)(const Tensor&, const Tensor&)>
KernelPtr binary(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return function(in[0], in[1]); });
}

template <Tensor (*function)(const Tensor&)>
KernelPtr unary(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) { return function(in[0]); });
}

constexpr auto kSame = ShapesFrom::input_shapes;

constexpr Operator kOperators[] = {
    {"Abs", 6, unary<ops::abs>, kSame},   {"Add", 7, binary<ops::add>, kSame},
    {"Div", 7, binary<ops::div>, kSame},  {"Exp", 6, unary<ops::exp>, kSame},
    {"Log", 6, unary<ops::log>, kSame},   {"MatMul", 1, binary<ops::matmul>, kSame},
    {"Mul", 7, binary<ops::mul>, kSame},  {"Neg", 6, unary<ops::neg>, kSame},
    {"Sqrt", 6, unary<ops::sqrt>, kSame}, {"Sub", 7, binary<ops::sub>, kSame},
};

}  // namespace

OperatorTable elementwise_operators() { return kOperators; }

}  // namespace quern::onnx
