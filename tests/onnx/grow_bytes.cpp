#include <algorithm>
#include <string>

#include "onnx/grow.h"
#include "quern/ops.h"

namespace quern::random_graphs {
namespace {

// Scales are powers of two, so that results are exact but for the functions.

// Scales are powers of two, so that results are exact but for the functions.

constexpr std::int64_t kUint8 = 2, kInt8 = 3, kInt32 = 6;  // TensorProto.DataType

struct ByteForm {
  Id scale, zero;
  AttributeList axis;
  bool is_signed;
};

/// One scale for all; now and then one of each slice of an axis.
ByteForm byte_form(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const float step = dice.one_of({0.125f, 0.25f, 0.5f});
  graph.step = std::max(graph.step, 1.01 * static_cast<double>(step));
  Shape shape;
  ByteForm form{{}, {}, {}, dice.chance(40)};
  if (dice.chance(10)) shape = {1};
  if (dice.chance(8) && graph.rank(x) > 0) {
    const int axis = static_cast<int>(dice.below(graph.rank(x)));
    shape = {graph.shape(x)[axis]};
    form.axis.emplace_back("axis", std::int64_t{dice.chance(50) ? axis : axis - graph.rank(x)});
  }
  const Tensor zero =
      Tensor::full(shape, static_cast<double>(dice.one_of({0, 0, 3, 10})), DType::f64);
  form.scale = graph.constant(Tensor::full(shape, static_cast<double>(step)));
  form.zero = graph.constant(zero.cast(form.is_signed ? DType::i8 : DType::u8));
  return form;
}

Id quantized(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const ByteForm form = byte_form(graph, x);
  const bool has_zero = dice.chance(95);
  std::vector<Id> inputs{x, form.scale};
  if (has_zero) inputs.push_back(form.zero);
  Id bytes = graph.node("QuantizeLinear", inputs, form.axis, 13);
  if (dice.chance(10)) {
    const std::int64_t same = form.is_signed ? kInt8 : kUint8;
    bytes = graph.node("Cast", {bytes},
                       {{"to", dice.chance(80) ? same : dice.one_of({kUint8, kInt8, kInt32})}}, 13);
  }
  inputs[0] = bytes;
  return graph.node("DequantizeLinear", inputs, form.axis, 13);
}

/// A constant of bytes, with one scale or one for each slice of `axis`, mostly.
Id stored_weight(Growing& graph, const Shape& shape, int axis) {
  Dice& dice = graph.dice;
  Tensor values = Tensor::empty(shape, DType::f64);
  const bool is_signed = dice.chance(80);
  for (double& value : values.mutable_data<double>())
    value = static_cast<double>(dice.between(is_signed ? -7 : 0, 7));
  const DType dtype = is_signed ? DType::i8 : DType::u8;
  AttributeList attributes;
  Shape forms;
  if (dice.chance(50)) {
    const int along = dice.chance(90) ? axis : static_cast<int>(dice.below(shape.rank()));
    forms = {shape[along]};
    attributes.emplace_back("axis", std::int64_t{dice.chance(70) ? along : along - shape.rank()});
  }
  Tensor scales = Tensor::empty(forms);
  for (float& scale : scales.mutable_data<float>()) scale = dice.one_of({0.125f, 0.25f, 0.0625f});
  std::vector<Id> inputs{graph.constant(values.cast(dtype)), graph.constant(scales)};
  const double zero = dice.one_of({0., 0., 0., 2.});
  if (dice.chance(80)) inputs.push_back(graph.constant(Tensor::full(forms, zero, dtype)));
  return graph.node("DequantizeLinear", inputs, attributes, 13);
}

/// What a product adds to each of its channels: floats, or units that are read as them.
Id stored_bias(Growing& graph, std::int64_t channels) {
  Dice& dice = graph.dice;
  if (dice.chance(10)) return graph.input({channels});
  if (dice.chance(50)) return graph.constant(graph.numbers({channels}));
  Tensor units = Tensor::empty({channels}, DType::f64);
  for (double& value : units.mutable_data<double>())
    value = static_cast<double>(dice.between(-300, 300));
  const Shape forms = dice.chance(50) ? Shape{} : Shape{channels};
  const double scale = dice.one_of({1. / 64, 1. / 32, 1. / 512});
  AttributeList axis;
  if (forms.rank() == 1) axis.emplace_back("axis", std::int64_t{0});
  return graph.node(
      "DequantizeLinear",
      {graph.constant(units.cast(DType::i32)), graph.constant(Tensor::full(forms, scale))}, axis,
      13);
}

Id moved_bytes(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const int rank = graph.rank(x);
  switch (dice.below(11)) {
    case 0:
      return graph.node("Transpose", {x}, {{"perm", random_order(dice, rank)}});
    case 1:
      return graph.node("Flatten", {x}, {{"axis", dice.below(rank + 1)}}, 13);
    case 2:
      return graph.node("Unsqueeze", {x, graph.ints({0})}, {}, 13);
    case 3:
      return graph.node("Slice", {x, graph.ints({0}), graph.ints({2}), graph.ints({rank - 1})});
    case 4: {
      const auto axes = static_cast<std::size_t>(std::max(rank - 2, 1));
      AttributeList attributes{{"kernel_shape", Ints(axes, dice.between(1, 3))},
                               {"pads", Ints(2 * axes, dice.below(2))}};
      if (dice.chance(30)) attributes.emplace_back("ceil_mode", std::int64_t{1});
      if (dice.chance(30)) attributes.emplace_back("strides", Ints(axes, 2));
      return graph.node("MaxPool", {x}, attributes, dice.one_of({12, 12, 10}),
                        dice.chance(10) ? 2 : 1);
    }
    case 5:
      return graph.node(dice.one_of({"DepthToSpace", "SpaceToDepth"}), {x},
                        {{"blocksize", dice.between(1, 2)}}, 13);
    case 6:
      return graph.node("Reshape", {x, graph.ints({dice.one_of({0, 1, 2}), -1})}, {}, 14);
    case 7:
      return graph.node("Squeeze", {x}, {}, 13);
    case 8:
      return graph.node("Split", {x}, {{"axis", dice.below(std::max(rank, 1))}}, 13,
                        static_cast<std::size_t>(dice.between(1, 2)));
    default:
      return x;
  }
}

Id convolved(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const Shape shape = graph.shape(x);
  const auto axes = static_cast<std::size_t>(shape.rank() - 2);
  const std::int64_t groups = dice.chance(30) ? shape[1] : 1;
  const std::int64_t out = groups * dice.one_of({1, 2, 4});
  Shape weight{out, groups == 1 ? shape[1] : 1};
  for (std::size_t axis = 0; axis < axes; ++axis) weight.push_back(dice.one_of({1, 2, 3}));
  AttributeList attributes{{"group", groups}};
  if (dice.chance(40)) attributes.emplace_back("strides", Ints(axes, dice.between(1, 2)));
  if (dice.chance(50)) attributes.emplace_back("pads", Ints(2 * axes, dice.below(2)));
  if (attributes.size() == 1 && dice.chance(30))
    attributes.emplace_back("auto_pad", std::string(dice.one_of({"SAME_LOWER", "SAME_UPPER"})));
  std::vector<Id> inputs{x, stored_weight(graph, weight, 0)};
  if (dice.chance(60)) inputs.push_back(stored_bias(graph, out));
  return graph.node("Conv", inputs, attributes, 11);
}

Id multiplied(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const Shape shape = graph.shape(x);
  const std::int64_t out = dice.one_of({1, 3, 8});
  if (shape.rank() != 2 || dice.chance(35)) {
    const Shape weight{shape.dim(-1), out};
    return graph.node("MatMul",
                      {x, dice.chance(70) ? stored_weight(graph, weight, 1)
                                          : quantized(graph, graph.operand(weight))},
                      {}, 13);
  }
  const bool turned = dice.chance(50);
  AttributeList attributes;
  if (turned) attributes.emplace_back("transB", std::int64_t{1});
  if (dice.chance(20)) attributes.emplace_back("alpha", dice.one_of({0.5f, 2.f}));
  if (dice.chance(20)) attributes.emplace_back("beta", dice.one_of({0.5f, 0.f}));
  const bool turns_source = dice.chance(10);
  if (turns_source) attributes.emplace_back("transA", std::int64_t{1});
  const std::int64_t in = shape[turns_source ? 0 : 1];
  std::vector<Id> inputs{
      x, stored_weight(graph, turned ? Shape{out, in} : Shape{in, out}, turned ? 0 : 1)};
  if (dice.chance(60))
    inputs.push_back(dice.chance(80) ? stored_bias(graph, out)
                                     : graph.constant(graph.numbers(broadcasting_to(
                                           dice, {shape[turns_source ? 1 : 0], out}))));
  return graph.node("Gemm", inputs, attributes, 13);
}

Id averaged(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const auto axes = static_cast<std::size_t>(graph.rank(x) - 2);
  if (dice.chance(50)) return graph.node("GlobalAveragePool", {x}, {}, 1);
  AttributeList attributes{{"kernel_shape", Ints(axes, dice.between(1, 3))}};
  if (dice.chance(40)) attributes.emplace_back("strides", Ints(axes, 2));
  if (dice.chance(40)) attributes.emplace_back("pads", Ints(2 * axes, dice.below(2)));
  if (dice.chance(40)) attributes.emplace_back("count_include_pad", dice.below(2));
  if (dice.chance(40)) attributes.emplace_back("ceil_mode", dice.below(2));
  if (dice.chance(20)) attributes.emplace_back("dilations", Ints(axes, 2));
  return graph.node("AveragePool", {x}, attributes, dice.one_of({11, 19}));
}

Id between_bytes(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const int rank = graph.rank(x);
  const Shape shape = graph.shape(x);
  switch (dice.below(9)) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (rank == 0) break;
      return rank < 3 || dice.chance(25) ? multiplied(graph, x) : convolved(graph, x);
    case 4:
      return graph.either(dice.one_of({"Add", "Mul"}), x, quantized(graph, beside(graph, x)));
    case 5:
      return graph.node("Concat", {x, dice.chance(50) ? x : quantized(graph, graph.operand(shape))},
                        {{"axis", dice.below(std::max(rank, 1))}}, 13);
    case 6:
      if (rank < 3) break;
      return averaged(graph, x);
    default:
      break;
  }
  if (dice.chance(50))
    return graph.node("LeakyRelu", {x}, {{"alpha", dice.one_of({0.25f, -0.5f, 2.f})}}, 16);
  return graph.node(dice.one_of({"LeakyRelu", "Sigmoid", "Relu"}), {x}, {}, 16);
}

}  // namespace

void bytes(Growing& graph) {
  Dice& dice = graph.dice;
  graph.has_ends = false;
  const auto [least, most] = dice.one_of<std::pair<int, int>>({{1, 4}, {2, 2}, {3, 4}, {4, 4}});
  Id x = quantized(graph, graph.input(random_shape(dice, least, most)));
  if (dice.chance(60)) x = moved_bytes(graph, x);
  if (dice.chance(85)) x = between_bytes(graph, x);
  if (dice.chance(20)) x = graph.node("Relu", {x});
  if (dice.chance(20)) x = clip(graph, x);
  if (dice.chance(20)) x = moved_bytes(graph, x);
  if (dice.chance(90)) quantized(graph, x);
}

}  // namespace quern::random_graphs
