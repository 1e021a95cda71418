#include "onnx/growing_graph.h"

#include <limits>
#include <utility>

#include "onnx/operator.h"

namespace quern::random_graphs {

using namespace quern::onnx;

namespace {

/// What a node's kernel gives for what its inputs are.
std::vector<Tensor> run_node(const Graph& graph, const Node& node,
                             const std::map<ValueId, Tensor>& values) {
  require(node.row != nullptr, "no operator {}", node.op_type);
  std::vector<Value> given;
  for (const ValueId id : node.inputs)
    given.push_back(id == kAbsent ? Value() : Value(values.at(id)));
  std::vector<const Value*> inputs;
  for (const Value& value : given) inputs.push_back(&value);
  std::vector<Value> results(node.outputs.size());
  Outputs outputs(results);
  node.row->import(node, {graph, {}})->run(Inputs(inputs), outputs);
  std::vector<Tensor> tensors;
  for (const Value& result : results)
    tensors.push_back(result.is_none() ? Tensor() : result.tensor().contiguous());
  return tensors;
}

}  // namespace

Tensor GrowingGraph::numbers(const Shape& shape) {
  Tensor tensor = Tensor::empty(shape);
  const std::int64_t reach = dice.one_of({4, 16, 24, 100});
  for (float& value : tensor.mutable_data<float>())
    value = static_cast<float>(dice.between(-reach, reach)) / 8;
  if (!has_ends || tensor.numel() == 0 || dice.chance(50)) return tensor;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (std::int64_t left = dice.between(1, 3); left > 0; --left) {
    tensor.mutable_data<float>()[static_cast<std::size_t>(dice.below(tensor.numel()))] =
        dice.one_of({std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity, -0.f});
  }
  return tensor;
}

GrowingGraph::ValueId GrowingGraph::input(const Shape& shape) {
  const ValueId id = maker.input("x" + std::to_string(maker.graph.values.size()));
  values[id] = numbers(shape);
  if (dice.chance(80)) remember_shape(id);
  return id;
}

void GrowingGraph::remember_shape(ValueId id) {
  std::vector<std::int64_t> dims(shape(id).begin(), shape(id).end());
  const int unknown = dice.one_of({0, 0, 0, 30, 100});
  for (std::int64_t& size : dims) {
    if (dice.chance(unknown)) size = -1;
  }
  maker.graph.value(id).dims = dims;
}

GrowingGraph::ValueId GrowingGraph::constant(Tensor value) {
  const ValueId id = maker.constant(value);
  values[id] = std::move(value);
  return id;
}

GrowingGraph::ValueId GrowingGraph::ints(std::vector<std::int64_t> list) {
  const auto count = static_cast<std::int64_t>(list.size());
  return constant(Tensor::from(std::move(list), {count}));
}

GrowingGraph::ValueId GrowingGraph::operand(const Shape& shape) {
  std::vector<ValueId> known;
  for (const auto& [id, value] : values) {
    if (value.shape() == shape && value.dtype() == DType::f32) known.push_back(id);
  }
  if (!known.empty() && dice.chance(40)) return dice.one_of(known);
  return dice.chance(50) ? constant(numbers(shape)) : input(shape);
}

GrowingGraph::ValueId GrowingGraph::loose_number(float value, int most_axes) {
  const std::int64_t axes = dice.chance(60) ? 0 : dice.between(0, most_axes);
  return constant(Tensor::full(Shape::filled(static_cast<int>(axes), 1), value));
}

GrowingGraph::ValueId GrowingGraph::node(const std::string& op_type, std::vector<ValueId> inputs,
                                         std::vector<Attribute> attributes, std::int64_t opset,
                                         std::size_t outputs) {
  const ValueId id = maker.node(op_type, std::move(inputs), std::move(attributes), opset);
  Node& made = maker.graph.nodes.back();
  while (made.outputs.size() < outputs)
    made.outputs.push_back(maker.graph.add_value(made.name + "/more"));
  try {
    const std::vector<Tensor> results = run_node(maker.graph, made, values);
    for (std::size_t i = 0; i < results.size(); ++i) values[made.outputs[i]] = results[i];
  } catch (const Error&) {
    maker.graph.nodes.pop_back();
    throw;
  }
  return id;
}

GrowingGraph::ValueId GrowingGraph::either(const std::string& op_type, ValueId a, ValueId b) {
  return dice.chance(50) ? node(op_type, {a, b}) : node(op_type, {b, a});
}

std::vector<Value> GrowingGraph::other_inputs() {
  std::vector<Value> others;
  for (const ValueId id : maker.graph.inputs) others.emplace_back(numbers(shape(id)));
  return others;
}

std::vector<Tensor> run_plainly(const Graph& graph, const std::vector<Value>& inputs,
                                std::map<ValueId, Tensor>& values) {
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (const Tensor* constant = graph.constant(static_cast<ValueId>(i)))
      values[static_cast<ValueId>(i)] = *constant;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) values[graph.inputs[i]] = inputs[i].tensor();
  for (const Node& node : graph.nodes) {
    const std::vector<Tensor> results = run_node(graph, node, values);
    for (std::size_t i = 0; i < results.size(); ++i) values[node.outputs[i]] = results[i];
  }
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(values.at(id));
  return outputs;
}

}  // namespace quern::random_graphs
