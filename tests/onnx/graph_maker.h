#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "onnx/executable.h"
#include "onnx/graph.h"
#include "onnx/operator.h"

/// Makes graphs for tests, a node at a time.
class GraphMaker {
 public:
  using ValueId = quern::onnx::ValueId;
  using Attribute = std::pair<std::string, quern::onnx::Attribute>;

  ValueId input(const std::string& name, std::vector<std::int64_t> dims = {}) {
    const ValueId id = graph.add_value(name);
    if (!dims.empty()) graph.value(id).dims = std::move(dims);
    graph.value(id).dtype = quern::DType::f32;
    graph.inputs.push_back(id);
    return id;
  }
  ValueId constant(quern::Tensor value) {
    const ValueId id = graph.add_value("c" + std::to_string(graph.values.size()));
    graph.value(id).constant = std::move(value);
    return id;
  }
  ValueId number(float value) { return constant(quern::Tensor::scalar(value)); }
  ValueId node(const std::string& op_type, std::vector<ValueId> inputs,
               std::vector<Attribute> attributes = {}, std::int64_t opset = 18) {
    quern::onnx::Node made;
    made.name = op_type + std::to_string(graph.nodes.size());
    quern::onnx::set_operator(made, {}, op_type, opset);
    made.operator_inputs = inputs.size();
    made.inputs = std::move(inputs);
    for (auto& [name, value] : attributes) made.attributes.set(name, value);
    made.outputs = {graph.add_value(made.name + "/out")};
    graph.nodes.push_back(made);
    return made.outputs[0];
  }
  void output(ValueId id) { graph.outputs.push_back(id); }

  std::vector<std::string> op_types() const {
    std::vector<std::string> types;
    for (const auto& made : graph.nodes)
      types.push_back((made.domain.empty() ? "" : made.domain + "::") + made.op_type);
    return types;
  }

  quern::onnx::Graph graph;
};

/// Values that differ from place to place, the same in every run.
inline quern::Tensor wavy(const quern::Shape& shape, double phase = 0) {
  quern::Tensor tensor = quern::Tensor::empty(shape);
  double at = phase;
  for (float& value : tensor.mutable_data<float>()) value = static_cast<float>(std::sin(at += 0.7));
  return tensor;
}

inline std::vector<quern::onnx::Value> run_graph(const quern::onnx::Graph& graph,
                                                 std::vector<quern::onnx::Value> inputs) {
  const quern::onnx::Executable executable(graph, 4);
  quern::onnx::RunState state;
  return executable.run(inputs, state);
}
