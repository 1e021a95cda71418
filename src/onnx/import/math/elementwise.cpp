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

// clang-format off
constexpr Operator kElementwiseOperators[] = {
    {.op_type = "Abs", .inputs = {1, 1}, .import = unary<ops::abs>, .mapping = kElementwise,
     .finite = Finite::of_first, .gradient = gradients::abs},
    {.op_type = "Acos", .since = 7, .inputs = {1, 1}, .import = unary<ops::acos>,
     .mapping = kElementwise},
    {.op_type = "Acosh", .since = 9, .inputs = {1, 1}, .import = unary<ops::acosh>,
     .mapping = kElementwise},
    {.op_type = "Add", .inputs = {2, 2}, .import = binary<ops::add>, .mapping = kBroadcasting,
     .bf16 = {.inputs = 2}, .finite = Finite::of_all, .gradient = gradients::sum_of_two},
    {.op_type = "Asin", .since = 7, .inputs = {1, 1}, .import = unary<ops::asin>,
     .mapping = kElementwise},
    {.op_type = "Asinh", .since = 9, .inputs = {1, 1}, .import = unary<ops::asinh>,
     .mapping = kElementwise},
    {.op_type = "Atan", .since = 7, .inputs = {1, 1}, .import = unary<ops::atan>,
     .mapping = kElementwise},
    {.op_type = "Atanh", .since = 9, .inputs = {1, 1}, .import = unary<ops::atanh>,
     .mapping = kElementwise},
    {.op_type = "Ceil", .inputs = {1, 1}, .import = unary<ops::ceil>, .mapping = kElementwise,
     .finite = Finite::of_first},
    {.op_type = "Cos", .since = 7, .inputs = {1, 1}, .import = unary<ops::cos>,
     .mapping = kElementwise},
    {.op_type = "Cosh", .since = 9, .inputs = {1, 1}, .import = unary<ops::cosh>,
     .mapping = kElementwise},
    {.op_type = "Div", .inputs = {2, 2}, .import = binary<ops::div>, .mapping = kBroadcasting,
     .finite = Finite::of_all, .gradient = gradients::div},
    {.op_type = "Erf", .since = 9, .inputs = {1, 1}, .import = unary<ops::erf>,
     .mapping = kElementwise, .finite = Finite::of_first},
    {.op_type = "Exp", .inputs = {1, 1}, .import = unary<ops::exp>, .mapping = kElementwise,
     .gradient = gradients::exp},
    {.op_type = "Floor", .inputs = {1, 1}, .import = unary<ops::floor>, .mapping = kElementwise,
     .finite = Finite::of_first},
    {.op_type = "Log", .inputs = {1, 1}, .import = unary<ops::log>, .mapping = kElementwise,
     .gradient = gradients::log},
    {.op_type = "Max", .inputs = {1, kAnyNumber}, .import = variadic<ops::maximum>,
     .mapping = kBroadcasting, .finite = Finite::of_all},
    {.op_type = "Mean", .inputs = {1, kAnyNumber}, .import = mean, .mapping = kBroadcasting,
     .finite = Finite::of_all},
    {.op_type = "Min", .inputs = {1, kAnyNumber}, .import = variadic<ops::minimum>,
     .mapping = kBroadcasting, .finite = Finite::of_all},
    {.op_type = "Mod", .since = 10, .inputs = {2, 2}, .import = mod, .mapping = kBroadcasting},
    {.op_type = "Mul", .inputs = {2, 2}, .import = binary<ops::mul>, .mapping = kBroadcasting,
     .bf16 = {.inputs = 2}, .finite = Finite::of_all, .gradient = gradients::mul},
    {.op_type = "Neg", .inputs = {1, 1}, .import = unary<ops::neg>, .mapping = kElementwise,
     .finite = Finite::of_first, .gradient = gradients::neg},
    {.op_type = "Pow", .inputs = {2, 2}, .import = binary<ops::pow>, .mapping = kBroadcasting,
     .gradient = gradients::pow},
    {.op_type = "Reciprocal", .inputs = {1, 1}, .import = unary<ops::reciprocal>,
     .mapping = kElementwise},
    {.op_type = "Round", .since = 11, .inputs = {1, 1}, .import = unary<ops::round>,
     .mapping = kElementwise},
    {.op_type = "Sign", .since = 9, .inputs = {1, 1}, .import = unary<ops::sign>,
     .mapping = kElementwise},
    {.op_type = "Sin", .since = 7, .inputs = {1, 1}, .import = unary<ops::sin>,
     .mapping = kElementwise},
    {.op_type = "Sinh", .since = 9, .inputs = {1, 1}, .import = unary<ops::sinh>,
     .mapping = kElementwise},
    {.op_type = "Sqrt", .inputs = {1, 1}, .import = unary<ops::sqrt>, .mapping = kElementwise,
     .gradient = gradients::sqrt},
    {.op_type = "Sub", .inputs = {2, 2}, .import = binary<ops::sub>, .mapping = kBroadcasting,
     .finite = Finite::of_all, .gradient = gradients::sub},
    {.op_type = "Sum", .inputs = {1, kAnyNumber}, .import = variadic<ops::add>,
     .mapping = kBroadcasting, .finite = Finite::of_all},
    {.op_type = "Tan", .since = 7, .inputs = {1, 1}, .import = unary<ops::tan>,
     .mapping = kElementwise},
    {.op_type = "AlignAxis", .domain = kQuern, .import = align_axis, .mapping = {.shapes = kSame}},
};
// clang-format on

}  // namespace

OperatorTable elementwise_operators() { return kElementwiseOperators; }

}  // namespace quern::onnx
