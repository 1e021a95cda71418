#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "onnx/grow.h"

namespace quern::random_graphs {

Shape random_shape(Dice& dice, int least_rank, int most_rank) {
  Shape shape;
  for (std::int64_t left = dice.between(least_rank, most_rank); left > 0; --left)
    shape.push_back(dice.one_of({1, 1, 2, 3, 3, 4, 5, 7, 8, 16, dice.chance(15) ? 0 : 6}));
  return shape;
}

Shape broadcasting_to(Dice& dice, const Shape& shape) {
  if (dice.chance(25)) return shape;
  Shape result;
  const std::int64_t skipped = dice.chance(60) ? 0 : dice.below(shape.rank() + 1);
  const int ones = dice.one_of({20, 50, 80, 100});
  for (int axis = static_cast<int>(skipped); axis < shape.rank(); ++axis)
    result.push_back(dice.chance(ones) ? 1 : shape[axis]);
  if (shape.rank() >= 2 && dice.chance(25)) {  // one a channel
    result = Shape::filled(shape.rank() - static_cast<int>(dice.below(2)), 1);
    const int axis = result.rank() - (shape.rank() - 1);
    result[axis] = shape[1];
  }
  return result;
}

Id beside(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  Shape shape = broadcasting_to(dice, graph.shape(x));
  if (dice.chance(10)) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == 1 && dice.chance(50)) shape[axis] = 2;
    }
  }
  if (dice.chance(5) && shape.rank() < 6) {
    Shape more{dice.one_of({1, 2})};
    for (const std::int64_t size : shape) more.push_back(size);
    shape = more;
  }
  return dice.chance(5) ? x : graph.operand(shape);
}

Id source(Growing& graph, int least_rank, int most_rank) {
  std::vector<Id> known;
  for (const auto& [id, value] : graph.values) {
    const bool fits = value.dtype() == DType::f32 && value.rank() >= least_rank &&
                      value.rank() <= most_rank && graph.maker.graph.constant(id) == nullptr;
    if (fits) known.push_back(id);
  }
  if (!known.empty() && graph.dice.chance(60)) return graph.dice.one_of(known);
  return graph.input(random_shape(graph.dice, least_rank, most_rank));
}

Ints random_order(Dice& dice, int rank) {
  Ints order;
  for (int axis = 0; axis < rank; ++axis) order.push_back(axis);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1],
              order[static_cast<std::size_t>(dice.below(static_cast<std::int64_t>(i)))]);
  return order;
}

float almost(Dice& dice, double number) {
  return static_cast<float>(dice.chance(92) ? number : number * dice.one_of({1.001, 0.5, 1.1}));
}

Id clip(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const float low = dice.one_of({-1.f, 0.f, -8.f, 0.5f});
  const float high = dice.one_of({1.f, 6.f, 0.25f, 0.f});
  if (dice.chance(25)) {
    AttributeList bounds;
    if (dice.chance(70)) bounds.emplace_back("min", low);
    if (dice.chance(70)) bounds.emplace_back("max", high);
    return graph.node("Clip", {x}, bounds, 6);
  }
  std::vector<Id> inputs{x, quern::onnx::kAbsent, quern::onnx::kAbsent};
  if (dice.chance(70)) inputs[1] = graph.number(low);
  if (dice.chance(70)) inputs[2] = graph.number(high);
  while (inputs.back() == quern::onnx::kAbsent) inputs.pop_back();
  return graph.node("Clip", inputs);
}

namespace {

// ---- What follows products ----

Id activation(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  switch (dice.below(14)) {
    case 0:
    case 1:
      return graph.node("Relu", {x});
    case 2:
      return graph.node("Sigmoid", {x});
    case 3:
      return graph.node("Tanh", {x});
    case 4:
      return graph.node("Mish", {x});
    case 5:
      return graph.node("HardSwish", {x});
    case 6:
      return graph.node("Softplus", {x});
    case 7:
      return graph.node("LeakyRelu", {x}, {{"alpha", dice.one_of({0.01f, 0.f, -0.5f, 1.f})}});
    case 8:
      return graph.node("Elu", {x}, {{"alpha", dice.one_of({1.f, 0.5f, 2.f})}});
    case 9:
      return graph.node("Gelu", {x},
                        {{"approximate", std::string(dice.chance(50) ? "tanh" : "none")}});
    case 10:
      return graph.either("Mul", x, graph.node("Sigmoid", {x}));
    case 11: {
      const float slope = dice.one_of({0.25f, 0.f, -0.5f, 1.f, INFINITY});
      return graph.node(
          "PRelu", {x, dice.chance(70) ? graph.loose_number(slope, 5) : beside(graph, x)}, {}, 16);
    }
    default:
      return clip(graph, x);
  }
}

Id follow(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  for (std::int64_t left = dice.between(0, 4); left > 0; --left) {
    const std::int64_t kind = dice.below(10);
    if (kind < 4) {
      x = graph.either("Add", x, beside(graph, x));
    } else if (kind == 4) {
      x = graph.either(dice.one_of({"Mul", "Sub", "Max"}), x, beside(graph, x));
    } else {
      x = activation(graph, x);
    }
  }
  return x;
}

// ---- Products ----

Id batch_norm(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const std::int64_t channels = graph.shape(x)[1];
  Tensor variance = Tensor::empty({channels});
  for (float& value : variance.mutable_data<float>())
    value = static_cast<float>(dice.between(1, 16)) / 4;
  std::vector<Id> inputs{x};
  for (int i = 0; i < 3; ++i) inputs.push_back(graph.constant(graph.numbers({channels})));
  inputs.push_back(graph.constant(variance));
  graph.absolute = std::max(graph.absolute, 4e-6);
  return graph.node("BatchNormalization", inputs, {{"epsilon", dice.one_of({1e-5f, 1e-3f})}}, 15);
}

void convolution(Growing& graph) {
  Dice& dice = graph.dice;
  const int axes = static_cast<int>(dice.between(1, 3));
  const std::int64_t groups = dice.one_of({1, 1, 1, 2, 3, 4, 8, 16});
  const std::int64_t in = groups * dice.one_of({1, 1, 2, 3, 4, axes == 3 ? 2 : 16});
  const std::int64_t out = groups * dice.one_of({1, 1, 2, 3, axes == 3 ? 2 : 8,
                                                 groups == 1 ? 16 : 4, dice.chance(2) ? 0 : 4});
  Shape src{dice.one_of({1, 2, 3, dice.chance(10) ? 0 : 1}), in};
  Shape weight{out, in / groups};
  Ints strides, dilations, pads(static_cast<std::size_t>(2 * axes));
  const bool is_dot = dice.chance(35);
  for (int axis = 0; axis < axes; ++axis) {
    src.push_back(dice.between(3, axes == 3 ? 6 : 10));
    weight.push_back(is_dot ? 1 : dice.one_of({1, 2, 3, 3}));
    strides.push_back(dice.one_of({1, 1, 2}));
    dilations.push_back(dice.one_of({1, 1, 1, 2}));
  }
  if (!is_dot && dice.chance(60)) {
    for (std::int64_t& pad : pads) pad = dice.below(2);
  }
  if (dice.chance(30)) strides.assign(strides.size(), 1);
  AttributeList attributes{{"group", groups}};
  if (dice.chance(80)) attributes.emplace_back("strides", strides);
  if (dice.chance(50)) attributes.emplace_back("dilations", dilations);
  if (dice.chance(80)) {
    attributes.emplace_back("pads", pads);
  } else {
    attributes.emplace_back("auto_pad", std::string(dice.one_of({"VALID", "SAME_UPPER"})));
  }
  std::vector<Id> inputs{dice.chance(30) ? graph.operand(src) : graph.input(src)};
  inputs.push_back(dice.chance(92) ? graph.constant(graph.numbers(weight)) : graph.input(weight));
  if (dice.chance(50))
    inputs.push_back(dice.chance(90) ? graph.constant(graph.numbers({out})) : graph.input({out}));
  Id x = graph.node("Conv", inputs, attributes, 11);
  if (dice.chance(20)) x = batch_norm(graph, x);
  follow(graph, x);
}

void linear_map_of(Growing& graph, Id x, bool is_gemm) {
  Dice& dice = graph.dice;
  const std::int64_t in = graph.shape(x).rank() > 0 ? graph.shape(x).dim(-1) : 1;
  const std::int64_t out = dice.one_of({1, 1, 2, 3, 5, 8, 16, 33, dice.chance(5) ? 0 : 4});
  const bool turned = is_gemm && dice.chance(40);
  Shape weight = turned ? Shape{out, in} : Shape{in, out};
  if (!is_gemm && dice.chance(8)) weight = {dice.one_of({1, 2}), in, out};
  std::vector<Id> inputs{
      x, dice.chance(92) ? graph.constant(graph.numbers(weight)) : graph.input(weight)};
  if (!is_gemm) {
    x = graph.node("MatMul", inputs, {}, 13);
    if (dice.chance(60)) x = graph.either("Add", x, graph.constant(graph.numbers({out})));
    follow(graph, x);
    return;
  }
  AttributeList attributes;
  if (turned) attributes.emplace_back("transB", std::int64_t{1});
  if (dice.chance(10)) attributes.emplace_back("transA", std::int64_t{1});
  if (dice.chance(15)) attributes.emplace_back("alpha", dice.one_of({0.5f, 2.f}));
  if (dice.chance(15)) attributes.emplace_back("beta", dice.one_of({0.5f, 0.f}));
  if (dice.chance(70)) {
    const Shape result{graph.shape(x)[0], out};
    inputs.push_back(graph.operand(dice.chance(50) ? Shape{out} : broadcasting_to(dice, result)));
  }
  follow(graph, graph.node("Gemm", inputs, attributes, 13));
}

void linear_map(Growing& graph) {
  const bool is_gemm = graph.dice.chance(40);
  linear_map_of(graph, is_gemm ? source(graph, 2, 2) : source(graph, 1, 4), is_gemm);
}

/// What may be infinite or NaN though all of a graph's inputs are finite.
Id perhaps_infinite(Growing& graph, const Shape& shape) {
  Dice& dice = graph.dice;
  const float end = dice.one_of({INFINITY, -INFINITY, NAN, 1e30f});
  const auto numbers = [&] { return graph.constant(graph.numbers({shape[1]})); };
  Ints pads(static_cast<std::size_t>(2 * shape.rank()));
  pads.back() = 1;
  const Id x = graph.input(shape);
  switch (dice.below(8)) {
    case 0:
      return graph.node("Clip", {x}, {{dice.chance(50) ? "min" : "max", end}}, 6);
    case 1:
      return graph.node("Clip", {x, graph.number(end)});
    case 2:
      return graph.node("Clip", {x, quern::onnx::kAbsent, graph.number(end)});
    case 3:
      return graph.node(dice.one_of({"LeakyRelu", "Elu", "HardSigmoid"}), {x}, {{"alpha", end}});
    case 4:
      return dice.chance(50) ? graph.node("Pad", {x}, {{"pads", pads}, {"value", end}}, 2)
                             : graph.node("Pad", {x, graph.ints(pads), graph.number(end)}, {}, 13);
    case 5: {
      Shape none = shape;
      none[1] = 0;
      const Id empty =
          dice.chance(50)
              ? graph.input(none)
              : graph.node("Slice", {x, graph.ints({9}), graph.ints({9}), graph.ints({1})});
      const Id made = graph.node(dice.one_of({"ReduceMean", "ReduceMax", "ReduceMin"}), {empty},
                                 {{"axes", Ints{1}}, {"keepdims", std::int64_t{1}}}, 13);
      return graph.node(dice.one_of({"Add", "Mul"}), {x, made});
    }
    case 6: {
      const auto axes = static_cast<std::size_t>(std::max(shape.rank() - 2, 1));
      return graph.node(dice.one_of({"MaxPool", "AveragePool"}), {x},
                        {{"kernel_shape", Ints(axes, 1)}, {"pads", Ints(2 * axes, 1)}}, 12);
    }
    default:
      return graph.node("BatchNormalization",
                        {x, numbers(), numbers(), numbers(),
                         graph.constant(Tensor::full({shape[1]}, dice.one_of({0., -1., 1e-44})))},
                        {{"epsilon", dice.one_of({0.f, 1e-5f})}}, 15);
  }
}

void infinite_source(Growing& graph) {
  Dice& dice = graph.dice;
  if (dice.chance(50)) {
    const Id x = perhaps_infinite(graph, {dice.one_of({1, 3, 9, 17}), dice.between(1, 4)});
    linear_map_of(graph, x, dice.chance(30));
    return;
  }
  const Id x = perhaps_infinite(graph, {1, dice.one_of({3, 8, 16}), dice.between(4, 8), 7});
  const Id weight = graph.constant(graph.numbers({16, graph.shape(x)[1], 3, 3}));
  follow(graph, graph.node("Conv", {x, weight}, {{"pads", Ints{1, 1, 1, 1}}}, 11));
}

// ---- Patterns of several nodes ----

Id inside_erf(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  if (dice.chance(50))
    return graph.node("Div", {x, graph.loose_number(almost(dice, std::numbers::sqrt2))});
  return graph.either("Mul", x, graph.loose_number(almost(dice, std::numbers::sqrt2 / 2)));
}

Id inside_tanh(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const auto same = [&] { return dice.chance(97) ? x : source(graph, 0, 4); };
  const Id cube = dice.chance(50)
                      ? graph.node("Pow", {same(), graph.loose_number(almost(dice, 3), 5)})
                      : graph.either("Mul", same(), graph.node("Mul", {x, same()}));
  const Id cubic = graph.either("Mul", cube, graph.loose_number(almost(dice, 0.044715)));
  const double factor = std::sqrt(2 / std::numbers::pi);
  return graph.either("Mul", graph.either("Add", same(), cubic),
                      graph.loose_number(almost(dice, factor)));
}

void gelu(Growing& graph) {
  Dice& dice = graph.dice;
  graph.underflows = true;
  const Id x = source(graph, 0, 4);
  const bool by_tanh = dice.chance(50);
  const Id inner = by_tanh ? inside_tanh(graph, x) : inside_erf(graph, x);
  const char* curve = by_tanh == dice.chance(97) ? "Tanh" : "Erf";
  const Id sum =
      graph.either("Add", graph.node(curve, {inner}), graph.loose_number(almost(dice, 1)));
  const Id half = graph.loose_number(almost(dice, 0.5));
  const Id other = dice.chance(95) ? x : source(graph, 0, 4);
  Id result;
  switch (dice.below(3)) {
    case 0:
      result = graph.either("Mul", graph.either("Mul", other, sum), half);
      break;
    case 1:
      result = graph.either("Mul", graph.either("Mul", other, half), sum);
      break;
    default:
      result = graph.either("Mul", other, graph.either("Mul", sum, half));
  }
  if (dice.chance(30)) graph.either("Add", result, beside(graph, result));
}

void gated(Growing& graph) {
  Dice& dice = graph.dice;
  const Id x = source(graph, 0, 5);
  const Id other = dice.chance(90) ? x : beside(graph, x);
  AttributeList attributes;
  const bool hard = dice.chance(50);
  if (hard) {
    if (dice.chance(85)) attributes.emplace_back("alpha", almost(dice, 1. / 6));
    if (dice.chance(50)) attributes.emplace_back("beta", almost(dice, 0.5));
  }
  const char* soft = dice.chance(80) ? "Sigmoid" : "Tanh";
  Id gate = graph.node(hard ? "HardSigmoid" : soft, {x}, attributes);
  if (dice.chance(15)) gate = graph.node("Tanh", {graph.node("Softplus", {x})});
  graph.either("Mul", other, gate);
}

Id mean_of(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const std::int64_t axis = dice.chance(60)   ? -1
                            : dice.chance(80) ? graph.rank(x) - 1
                                              : dice.below(graph.rank(x));
  AttributeList attributes;
  if (dice.chance(10)) attributes.emplace_back("keepdims", std::int64_t{dice.chance(90)});
  Ints axes{axis};
  if (dice.chance(5)) axes.push_back(0);
  if (dice.chance(50)) return graph.node("ReduceMean", {x, graph.ints(axes)}, attributes, 18);
  attributes.emplace_back("axes", axes);
  return graph.node("ReduceMean", {x}, attributes, 13);
}

void layer_norm(Growing& graph) {
  Dice& dice = graph.dice;
  graph.underflows = true;
  graph.absolute = std::max(graph.absolute, 1e-4);
  graph.relative = std::max(graph.relative, 1e-4);
  const Id x = source(graph, 1, 4);
  const bool centres = dice.chance(70);
  const Id y = centres ? graph.node("Sub", {x, mean_of(graph, x)}) : x;
  const Id square = dice.chance(50)
                        ? graph.node("Mul", {y, dice.chance(95) ? y : x})
                        : graph.node("Pow", {y, graph.loose_number(almost(dice, 2), 5)});
  const Id sum = graph.either("Add", mean_of(graph, square),
                              graph.loose_number(dice.one_of({1e-5f, 1e-3f, 1.f}), 5));
  const Id root = graph.node("Sqrt", {sum});
  const Id upper = dice.chance(95) ? y : x;
  Id result;
  switch (dice.below(3)) {
    case 0:
      result = graph.node("Div", {upper, root});
      break;
    case 1:
      result = graph.either("Mul", upper, graph.node("Reciprocal", {root}));
      break;
    default:
      result = graph.either("Mul", upper,
                            graph.node("Div", {graph.loose_number(almost(dice, 1), 5), root}));
  }
  const std::int64_t size = graph.shape(x).dim(-1);
  const auto row = [&] {
    if (dice.chance(75)) return graph.constant(graph.numbers({size}));
    if (dice.chance(50)) return graph.constant(graph.numbers({size == 1 ? 4 : 1}));
    return beside(graph, result);
  };
  result = graph.either("Mul", result, row());
  if (dice.chance(70)) result = graph.either("Add", result, row());
}

/// As a Reshape's shape, with what may be left to follow from the rest left so now and then.
Id loose_sizes(Growing& graph, Ints sizes) {
  Dice& dice = graph.dice;
  if (dice.chance(30)) sizes[0] = 0;
  if (dice.chance(50)) sizes[static_cast<std::size_t>(dice.below(std::ssize(sizes)))] = -1;
  return graph.ints(sizes);
}

/// A number for each channel of `x`, in one of the shapes that do not change x's; or others.
Id by_channel(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const int rank = graph.rank(x);
  if (dice.chance(12)) return beside(graph, x);
  Shape shape = Shape::filled(rank - (dice.chance(60) ? 1 : 0), 1);
  const int axis = dice.chance(92) ? shape.rank() - rank + 1 : shape.rank() - 1;
  if (shape.rank() > 0) shape[std::max(axis, 0)] = dice.chance(95) ? graph.shape(x)[1] : 1;
  return dice.chance(92) ? graph.constant(graph.numbers(shape)) : graph.input(shape);
}

void group_norm(Growing& graph) {
  Dice& dice = graph.dice;
  graph.underflows = true;
  graph.absolute = std::max(graph.absolute, 1e-4);
  graph.relative = std::max(graph.relative, 1e-4);
  const std::int64_t groups = dice.one_of({1, 2, 2, 3, 4, 8});
  Shape shape{dice.one_of({1, 1, 2, 3, dice.chance(10) ? 0 : 2}),
              groups * dice.one_of({1, 1, 2, 3, 4})};
  for (std::int64_t left = dice.one_of({0, 1, 2, 2, 2, 3}); left > 0; --left)
    shape.push_back(dice.one_of({1, 2, 3, 5, dice.chance(5) ? 0 : 4}));
  const Id x = dice.chance(30) ? graph.operand(shape) : graph.input(shape);
  AttributeList zeros;
  if (dice.chance(6)) zeros.emplace_back("allowzero", std::int64_t{1});
  const std::int64_t each = shape[0] * shape[1] == 0 ? 0 : shape.numel() / shape[0] / groups;
  Ints parts{shape[0], groups, each};
  if (dice.chance(4)) std::swap(parts[0], parts[1]);
  if (dice.chance(4)) parts = {shape[0], groups, each, 1};
  const Id grouped = graph.node("Reshape", {x, loose_sizes(graph, parts)}, zeros, 14);
  const auto all = [&](float number) {
    Tensor values = Tensor::full({parts[1]}, number);
    if (dice.chance(8)) values.mutable_data<float>()[0] = dice.one_of({0.5f, 0.f, 1.f, NAN});
    return graph.constant(values);
  };
  AttributeList epsilon;
  if (dice.chance(70)) epsilon.emplace_back("epsilon", dice.one_of({1e-5f, 1e-3f, 1.f}));
  const Id norm = graph.node("InstanceNormalization", {grouped, all(1.f), all(0.f)}, epsilon, 6);
  Id sizes = loose_sizes(graph, Ints(shape.begin(), shape.end()));
  if (dice.chance(50)) {
    AttributeList range;
    if (dice.chance(10)) range.emplace_back("start", dice.below(2));
    if (dice.chance(10)) range.emplace_back("end", dice.one_of<std::int64_t>({-1, 2, 9}));
    sizes = graph.node("Shape", {dice.chance(92) ? x : source(graph, 1, 4)}, range, 15);
  }
  Id result = graph.node("Reshape", {norm, sizes}, zeros, 14);
  if (dice.chance(95)) result = graph.either("Mul", result, by_channel(graph, result));
  if (dice.chance(95)) result = graph.either("Add", result, by_channel(graph, result));
  if (dice.chance(30)) graph.node(dice.one_of({"Relu", "Sigmoid"}), {result});
}

Id maybe_scaled(Growing& graph, Id x, int percent) {
  Dice& dice = graph.dice;
  if (!dice.chance(percent)) return x;
  const float factor = dice.one_of({0.125f, 0.5f, 0.35355339f, 8.f, 2.f, -1.f});
  return dice.chance(50) ? graph.node("Div", {x, graph.loose_number(factor)})
                         : graph.either("Mul", x, graph.loose_number(factor));
}

void attention(Growing& graph) {
  Dice& dice = graph.dice;
  graph.absolute = std::max(graph.absolute, 2e-5);
  graph.relative = std::max(graph.relative, 1e-4);
  graph.underflows = true;
  const int lead = static_cast<int>(dice.one_of({0, 1, 2, 2, 2, 3}));
  const std::int64_t queries = dice.one_of({1, 2, 3, 9, 16, 17});
  const std::int64_t keys =
      dice.chance(60) ? queries : dice.one_of({1, 2, 5, 17, dice.chance(10) ? 0 : 3});
  const std::int64_t dim = dice.one_of({1, 2, 4, 8, 16, 5});
  const std::int64_t value_dim = dice.chance(60) ? dim : dice.one_of({1, 3, 8});
  Shape batch;
  for (int i = 0; i < lead; ++i) batch.push_back(dice.one_of({1, 2, 2, 3}));
  const auto with = [&](std::int64_t rows, std::int64_t columns) {
    Shape shape = batch;
    if (dice.chance(8) && shape.rank() > 0) shape[0] = 1;
    shape.push_back(rows);
    shape.push_back(columns);
    return shape;
  };
  const Id q = maybe_scaled(graph, graph.input(with(queries, dim)), 30);
  Id k = graph.operand(with(dim, keys));
  if (dice.chance(40)) {
    Ints order;
    for (int axis = 0; axis < lead; ++axis) order.push_back(axis);
    order.insert(order.end(), {lead + 1, lead});
    k = graph.node("Transpose", {graph.operand(with(keys, dim))}, {{"perm", order}});
  }
  k = maybe_scaled(graph, k, 20);
  const Id v = graph.operand(with(keys, value_dim));
  Id scores = maybe_scaled(graph, graph.node("MatMul", {q, k}), 50);
  if (dice.chance(50)) {
    Id mask = beside(graph, scores);
    if (dice.chance(40)) {
      Tensor values = graph.numbers(broadcasting_to(dice, graph.shape(scores)));
      for (float& value : values.mutable_data<float>())
        value = dice.chance(70) ? 0.f : dice.one_of({-1e4f, -INFINITY, -INFINITY});
      mask = graph.constant(values);
    }
    scores = graph.either("Add", scores, mask);
  }
  const int rank = graph.rank(scores);
  const std::int64_t opset = dice.one_of({13, 13, 13, 11});
  AttributeList attributes;
  if (opset < 13 || dice.chance(80))
    attributes.emplace_back("axis", dice.chance(60)   ? std::int64_t{-1}
                                    : dice.chance(70) ? std::int64_t{rank - 1}
                                                      : dice.below(rank));
  if (opset < 13 && dice.chance(10)) attributes.clear();
  graph.node("MatMul", {graph.node("Softmax", {scores}, attributes, opset), v});
}

void identities(Growing& graph) {
  Dice& dice = graph.dice;
  const bool tells_zeros = dice.chance(20);  // by what only exact numbers can be divided by
  Id x = tells_zeros ? graph.input(random_shape(dice, 0, 4)) : source(graph, 0, 4);
  for (std::int64_t left = dice.between(1, 3); left > 0; --left) {
    switch (dice.below(7)) {
      case 0:
        x = graph.node("Add", {x, graph.loose_number(dice.one_of({0.f, -0.f}))});
        break;
      case 1:
        x = graph.node("Sub", {x, graph.loose_number(dice.one_of({0.f, -0.f}))});
        break;
      case 2:
        x = graph.node(dice.one_of({"Mul", "Div", "Pow"}), {x, graph.loose_number(1.f)});
        break;
      case 3:
        x = graph.either(dice.one_of({"Mul", "Add"}), x, graph.loose_number(almost(dice, 1)));
        break;
      case 4:
        x = graph.node("Identity", {x});
        break;
      case 5:
        x = graph.node("Dropout", {x}, {}, 13);
        break;
      default: {
        const Shape ones = broadcasting_to(dice, graph.shape(x));
        x = graph.node(dice.one_of({"Mul", "Div"}), {x, graph.constant(Tensor::full(ones, 1.))});
      }
    }
  }
  if (tells_zeros) graph.node("Reciprocal", {x});
  if (dice.chance(40)) graph.node(dice.one_of({"Relu", "Abs"}), {x});
}

void moves(Growing& graph) {
  Dice& dice = graph.dice;
  Id x = source(graph, 0, 5);
  for (std::int64_t left = dice.between(1, 5); left > 0; --left) {
    const int rank = graph.rank(x);
    switch (dice.below(7)) {
      case 0:
      case 1:
      case 2:
        x = dice.chance(85) ? graph.node("Transpose", {x}, {{"perm", random_order(dice, rank)}})
                            : graph.node("Transpose", {x});
        break;
      case 3:
        x = graph.node("Reshape", {x, graph.ints({-1, dice.one_of({1, 2, 3})})});
        break;
      case 4: {
        const Id sizes = graph.node("Shape", {x});
        const Id first =
            graph.node("Gather", {sizes, graph.ints({0})}, {{"axis", std::int64_t{0}}});
        const Id wanted =
            graph.node("Concat", {first, graph.ints({-1})}, {{"axis", std::int64_t{0}}});
        x = graph.node("Reshape", {x, wanted});
        break;
      }
      case 5:
        x = graph.node("Concat", {x, x}, {{"axis", dice.below(std::max(rank, 1))}});
        break;
      default:
        x = activation(graph, x);
    }
  }
}

void channel_shuffle(Growing& graph) {
  Dice& dice = graph.dice;
  const std::int64_t groups = dice.one_of({1, 2, 2, 3, 4});
  const std::int64_t each = dice.one_of({1, 2, 3, 4, 8});
  const int axes = static_cast<int>(dice.one_of({1, 2, 2, 2, 3}));
  Shape shape{dice.one_of({1, 1, 2, dice.chance(10) ? 0 : 3}), groups * each};
  for (int i = 0; i < axes; ++i) shape.push_back(dice.between(1, 4));
  Ints before(shape.begin(), shape.end());
  Ints after = before;
  before[1] = each;
  before.insert(before.begin() + 1, groups);
  Ints order;
  for (std::int64_t axis = 0; axis < static_cast<std::int64_t>(before.size()); ++axis)
    order.push_back(axis);
  std::swap(order[1], order[2]);
  if (dice.chance(10)) order = random_order(dice, static_cast<int>(before.size()));
  const auto loosen = [&](Ints& sizes) {
    if (dice.chance(40)) sizes[static_cast<std::size_t>(dice.below(std::ssize(sizes)))] = -1;
    if (dice.chance(15)) sizes[0] = 0;
    if (dice.chance(5)) sizes[static_cast<std::size_t>(dice.below(std::ssize(sizes)))] = 0;
  };
  loosen(before);
  if (dice.chance(10)) std::swap(after[1], after[2]);
  loosen(after);
  const Id first = graph.node("Reshape", {graph.operand(shape), graph.ints(before)}, {}, 14);
  const Id turned = graph.node("Transpose", {first}, {{"perm", order}});
  const Id x = graph.node("Reshape", {turned, graph.ints(after)}, {}, 14);
  if (!dice.chance(60)) return;
  const std::int64_t parts = dice.one_of({1, 2, 2, 3});
  const AttributeList axis{{"axis", dice.chance(90) ? std::int64_t{1} : dice.below(graph.rank(x))}};
  const auto count = static_cast<std::size_t>(parts);
  if (dice.chance(50)) {
    graph.node("Split", {x}, axis, 13, count);
    return;
  }
  Ints sizes(count, graph.shape(x)[1] / parts);
  if (dice.chance(15) && parts > 1) ++sizes[0], --sizes[1];
  graph.node("Split", {x, graph.ints(sizes)}, axis, 13, count);
}

void soup(Growing& graph) {
  Dice& dice = graph.dice;
  Id x = source(graph, 0, 5);
  for (std::int64_t left = dice.between(1, 6); left > 0; --left) {
    x = dice.chance(50)
            ? activation(graph, x)
            : graph.either(dice.one_of({"Add", "Mul", "Sub", "Min", "Max"}), x, beside(graph, x));
  }
}

}  // namespace

void grow(GrowingGraph& graph) {
  using Pattern = void (*)(GrowingGraph&);
  constexpr Pattern kPatterns[] = {
      convolution, convolution, convolution, linear_map, linear_map,      infinite_source,
      gelu,        gelu,        gated,       layer_norm, group_norm,      attention,
      attention,   identities,  moves,       shapes,     channel_shuffle, soup};
  if (graph.maker.graph.nodes.empty() && graph.dice.chance(15)) {
    bytes(graph);
    return;
  }
  if (graph.step > 0) return;  // steps of bytes are as far as it goes
  kPatterns[graph.dice.below(std::ssize(kPatterns))](graph);
}

}  // namespace quern::random_graphs
