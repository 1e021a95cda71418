#include "onnx/import/functions.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

/// An operator of one input or more: the function of the first two, then of that and the third, ...
template <Tensor (*function)(const Tensor&, const Tensor&)>
KernelPtr variadic(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    Tensor result = in[0];
    for (std::size_t i = 1; i < in.size(); ++i) result = function(result, in[i]);
    return result;
  });
}

KernelPtr mean(const Node&, const ImportContext&) {
  return make_kernel([](const Inputs& in) {
    Tensor total = in[0];
    for (std::size_t i = 1; i < in.size(); ++i) total = ops::add(total, in[i]);
    return ops::div(total, Tensor::full({}, static_cast<double>(in.size()), total.dtype()));
  });
}

KernelPtr mod(const Node& node, const ImportContext& context) {
  const bool like_c = node.attributes.get("fmod", std::int64_t{0}) != 0;
  return like_c ? binary<ops::fmod>(node, context) : binary<ops::mod>(node, context);
}

/// The second input with axes of size 1 behind its own, so that these are the first's from `axis`
/// on, where it has as many.
KernelPtr align_axis(const Node& node, const ImportContext&) {
  const auto given = node.attributes.get<std::int64_t>("axis");
  return make_kernel([given](const Inputs& in) {
    if (given >= in[0].rank()) return in[1];
    const int axis = checked_axis(given, in[0].rank());
    Shape shape = in[1].shape();
    while (shape.rank() < in[0].rank() - axis) shape.push_back(1);
    return in[1].reshape(shape);
  });
}

constexpr Operator kElementwiseOperators[] = {
    {"Abs", 1, unary<ops::abs>, kSame},
    {"Acos", 7, unary<ops::acos>, kSame},
    {"Acosh", 9, unary<ops::acosh>, kSame},
    {"Add", 1, binary<ops::add>, kSame},
    {"Asin", 7, unary<ops::asin>, kSame},
    {"Asinh", 9, unary<ops::asinh>, kSame},
    {"Atan", 7, unary<ops::atan>, kSame},
    {"Atanh", 9, unary<ops::atanh>, kSame},
    {"Ceil", 1, unary<ops::ceil>, kSame},
    {"Cos", 7, unary<ops::cos>, kSame},
    {"Cosh", 9, unary<ops::cosh>, kSame},
    {"Div", 1, binary<ops::div>, kSame},
    {"Erf", 9, unary<ops::erf>, kSame},
    {"Exp", 1, unary<ops::exp>, kSame},
    {"Floor", 1, unary<ops::floor>, kSame},
    {"Log", 1, unary<ops::log>, kSame},
    {"Max", 1, variadic<ops::maximum>, kSame},
    {"Mean", 1, mean, kSame},
    {"Min", 1, variadic<ops::minimum>, kSame},
    {"Mod", 10, mod, kSame},
    {"Mul", 1, binary<ops::mul>, kSame},
    {"Neg", 1, unary<ops::neg>, kSame},
    {"Pow", 1, binary<ops::pow>, kSame},
    {"Reciprocal", 1, unary<ops::reciprocal>, kSame},
    {"Round", 11, unary<ops::round>, kSame},
    {"Sign", 9, unary<ops::sign>, kSame},
    {"Sin", 7, unary<ops::sin>, kSame},
    {"Sinh", 9, unary<ops::sinh>, kSame},
    {"Sqrt", 1, unary<ops::sqrt>, kSame},
    {"Sub", 1, binary<ops::sub>, kSame},
    {"Sum", 1, variadic<ops::add>, kSame},
    {"Tan", 7, unary<ops::tan>, kSame},

    {"AlignAxis", 1, align_axis, kSame, Purity::deterministic, "quern"},
};

}  // namespace

OperatorTable elementwise_operators() { return kElementwiseOperators; }

}  // namespace quern::onnx
