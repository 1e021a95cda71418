#include <algorithm>
#include <string>

#include "onnx/grow.h"

namespace quern::random_graphs {
namespace {

Ints some_axes(Dice& dice, int rank) {
  Ints axes;
  for (int axis = 0; axis < rank; ++axis) {
    if (dice.chance(40)) axes.push_back(dice.chance(50) ? axis : axis - rank);
  }
  return axes;
}

Id sliced(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  Ints axes = some_axes(dice, graph.rank(x));
  if (axes.empty()) axes.push_back(0);
  Ints starts, ends, steps;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    starts.push_back(dice.one_of<std::int64_t>({0, 0, 1, 2, -1, -2, 9}));
    ends.push_back(dice.one_of<std::int64_t>({INT64_MAX, 2, 3, -1, -2, INT64_MIN}));
    steps.push_back(dice.one_of({1, 1, 1, 2, -1, -3}));
  }
  std::vector<Id> inputs{x, graph.ints(starts), graph.ints(ends), graph.ints(axes)};
  if (dice.chance(60)) inputs.push_back(graph.ints(steps));
  return graph.node("Slice", inputs, {}, 13);
}

Id reduced(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  AttributeList attributes;
  if (dice.chance(60)) attributes.emplace_back("keepdims", dice.below(2));
  const Ints axes = some_axes(dice, graph.rank(x));
  if (dice.chance(15)) {
    const std::int64_t axis = dice.below(std::max(graph.rank(x), 1));
    attributes.emplace_back("axis", dice.chance(50) ? axis : axis - graph.rank(x));
    return graph.node(dice.one_of({"ArgMax", "ArgMin"}), {x}, attributes, 13);
  }
  const char* op_type = dice.one_of({"ReduceSum", "ReduceMax", "ReduceMean", "ReduceMin"});
  if (dice.chance(20)) attributes.emplace_back("noop_with_empty_axes", dice.below(2));
  if (dice.chance(70)) return graph.node(op_type, {x, graph.ints(axes)}, attributes, 18);
  if (dice.chance(30)) return graph.node(op_type, {x}, attributes, 18);
  attributes.emplace_back("axes", axes);
  return graph.node(op_type, {x}, attributes, 11);
}

Id split(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const std::int64_t axis = dice.below(std::max(graph.rank(x), 1));
  const std::int64_t size = graph.rank(x) > 0 ? graph.shape(x)[static_cast<int>(axis)] : 0;
  AttributeList attributes{{"axis", dice.chance(50) ? axis : axis - graph.rank(x)}};
  if (dice.chance(50))
    return graph.node("Split", {x}, attributes, 13, static_cast<std::size_t>(dice.between(1, 3)));
  const Ints sizes{dice.below(size + 1), 0};
  return graph.node("Split", {x, graph.ints({sizes[0], size - sizes[0]})}, attributes, 13, 2);
}

Id pooled(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const auto axes = static_cast<std::size_t>(std::max(graph.rank(x) - 2, 1));
  if (dice.chance(15))
    return graph.node(dice.one_of({"GlobalAveragePool", "GlobalMaxPool"}), {x}, {}, 1);
  AttributeList attributes{{"kernel_shape", Ints(axes, dice.between(1, 3))}};
  if (dice.chance(50)) attributes.emplace_back("strides", Ints(axes, dice.between(1, 3)));
  if (dice.chance(50)) attributes.emplace_back("ceil_mode", dice.below(2));
  if (dice.chance(30)) attributes.emplace_back("dilations", Ints(axes, dice.between(1, 2)));
  if (dice.chance(50)) {
    Ints pads(2 * axes);
    for (std::int64_t& pad : pads) pad = dice.below(2);
    attributes.emplace_back("pads", pads);
  } else if (dice.chance(50)) {
    attributes.emplace_back("auto_pad",
                            std::string(dice.one_of({"SAME_UPPER", "SAME_LOWER", "VALID"})));
  }
  if (dice.chance(50)) return graph.node("MaxPool", {x}, attributes, 12);
  attributes.emplace_back("count_include_pad", dice.below(2));
  return graph.node("AveragePool", {x}, attributes, 19);
}

Id gathered(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const std::int64_t axis = dice.below(std::max(graph.rank(x), 1));
  const Tensor places = Tensor::full(random_shape(dice, 0, 2), 0., DType::i64);
  return graph.node("Gather", {x, graph.constant(places)},
                    {{"axis", dice.chance(50) ? axis : axis - graph.rank(x)}}, 13);
}

Id unsqueezed(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  Ints axes = some_axes(dice, graph.rank(x) + 1);
  if (axes.size() != 1) axes = {dice.chance(50) ? 0 : -1};
  if (dice.chance(20)) axes.push_back(dice.between(1, 3));
  if (dice.chance(40)) return graph.node("Unsqueeze", {x}, {{"axes", axes}}, 11);
  return graph.node("Unsqueeze", {x, graph.ints(axes)}, {}, 13);
}

Id squeezed(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  if (dice.chance(30)) return graph.node("Squeeze", {x}, {}, 13);
  Ints axes;
  for (int axis = 0; axis < graph.rank(x); ++axis) {
    if (graph.shape(x)[axis] == 1 && dice.chance(60)) axes.push_back(axis);
  }
  return graph.node("Squeeze", {x, graph.ints(axes)}, {}, 13);
}

Id reshaped(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  Ints sizes(graph.shape(x).begin(), graph.shape(x).end());
  for (std::int64_t& size : sizes) {
    if (dice.chance(40)) size = 0;
  }
  if (dice.chance(50)) sizes.insert(sizes.begin() + dice.below(std::ssize(sizes) + 1), 1);
  if (dice.chance(60) && !sizes.empty())
    sizes[static_cast<std::size_t>(dice.below(std::ssize(sizes)))] = -1;
  AttributeList attributes;
  if (dice.chance(15)) attributes.emplace_back("allowzero", dice.below(2));
  return graph.node("Reshape", {x, graph.ints(sizes)}, attributes, 14);
}

Id moved_somehow(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  const int rank = graph.rank(x);
  switch (dice.below(12)) {
    case 0:
      return sliced(graph, x);
    case 1:
      return reduced(graph, x);
    case 2:
      return split(graph, x);
    case 3:
      return pooled(graph, x);
    case 4:
      return gathered(graph, x);
    case 5:
      return unsqueezed(graph, x);
    case 6:
      return squeezed(graph, x);
    case 7:
      return reshaped(graph, x);
    case 8:
      return graph.node("Flatten", {x}, {{"axis", dice.between(-rank, rank)}}, 13);
    case 9: {
      const std::int64_t axis = dice.below(std::max(rank, 1));
      return graph.node("Concat", {x, dice.chance(70) ? x : beside(graph, x), x},
                        {{"axis", dice.chance(50) ? axis : axis - rank}}, 13);
    }
    case 10:
      return graph.node("Transpose", {x}, {{"perm", random_order(dice, rank)}});
    default:
      return graph.either(dice.one_of({"Add", "Mul", "Max"}), x, beside(graph, x));
  }
}

/// Sizes of `x`, and what files compute of them.
Id sizes_of(Growing& graph, Id x) {
  Dice& dice = graph.dice;
  AttributeList range;
  if (dice.chance(30)) range.emplace_back("start", dice.between(-3, 3));
  if (dice.chance(30)) range.emplace_back("end", dice.between(-3, 3));
  Id sizes =
      dice.chance(10) ? graph.node("Size", {x}, {}, 13) : graph.node("Shape", {x}, range, 15);
  for (std::int64_t left = dice.below(4); left > 0; --left) {
    switch (dice.below(7)) {
      case 0:
        sizes = graph.node("Gather", {sizes, graph.constant(Tensor::full({}, -1., DType::i64))},
                           {{"axis", std::int64_t{0}}}, 13);
        break;
      case 1:
        sizes = graph.node("Slice",
                           {sizes, graph.ints({dice.below(2)}), graph.ints({9}), graph.ints({0}),
                            graph.ints({dice.one_of({1, 1, 2, -1})})},
                           {}, 13);
        break;
      case 2:
        sizes = graph.node("Unsqueeze", {sizes, graph.ints({0})}, {}, 13);
        break;
      case 3:
        sizes = graph.node("Squeeze", {sizes}, {}, 13);
        break;
      case 4:
        sizes = graph.node("Concat", {sizes, graph.ints({dice.between(-1, 2)})},
                           {{"axis", std::int64_t{0}}}, 13);
        break;
      case 5:
        sizes = graph.node("Cast", {sizes}, {{"to", std::int64_t{dice.one_of({7, 7, 6, 1})}}}, 13);
        break;
      default:
        sizes =
            graph.either(dice.one_of({"Mul", "Add"}), sizes,
                         graph.constant(Tensor::full({}, dice.one_of({0., 1., 2.}), DType::i64)));
    }
  }
  return sizes;
}

}  // namespace

void shapes(Growing& graph) {
  Dice& dice = graph.dice;
  Id x = source(graph, 0, 5);
  for (std::int64_t left = dice.between(1, 4); left > 0; --left) {
    if (graph.value(x).dtype() == DType::f32 && dice.chance(75)) x = moved_somehow(graph, x);
    if (!dice.chance(50)) continue;
    const Id sizes = sizes_of(graph, x);
    switch (dice.below(4)) {
      case 0:
        x = graph.node("Reshape", {x, sizes}, {}, 14);
        break;
      case 1:
        x = graph.node("Expand", {x, sizes}, {}, 13);
        break;
      case 2:
        if (graph.value(sizes).numel() < 5 && graph.value(x).numel() < 1000)
          x = graph.node("ConstantOfShape", {sizes}, {}, 9);
        break;
      default:
        break;
    }
  }
}

}  // namespace quern::random_graphs
