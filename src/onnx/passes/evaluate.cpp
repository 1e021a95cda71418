#include "onnx/passes/evaluate.h"

#include <algorithm>

#include "onnx/operator.h"

namespace quern::onnx {
namespace {

// Loops may run for long, or forever: they are for a run, which bounds them.
bool owns_subgraph(const Node& node) {
  return std::ranges::any_of(node.attributes.all(), [](const auto& attribute) {
    return std::holds_alternative<std::shared_ptr<const Graph>>(attribute.second);
  });
}

}  // namespace

std::vector<Value> evaluate(const Graph& graph, const Node& node,
                            std::span<const Value* const> inputs) {
  if (node.row == nullptr || purity_of(node) == Purity::random || owns_subgraph(node)) return {};
  std::vector<Value> outputs(node.outputs.size());
  try {
    Outputs results(outputs);
    node.row->import(node, {graph, {}})->run(Inputs(inputs), results);
  } catch (const Error&) {
    return {};  // it may never run; where it does, it says what is wrong
  }
  return outputs;
}

}  // namespace quern::onnx
