#include <algorithm>
#include <map>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"
#include "onnx/window.h"

namespace quern::onnx {
namespace {

/// Padding alone is -infinity, which bytes do not have.
bool pools_bytes_alike(const Node& pool) {
  return !pool.has_output(1) && pool.opset >= 12 && WindowAttributes(pool).meet_elements();
}

bool only_moves(const Node& node) {
  if (node.row == nullptr || node.row->moves == Moves::nothing) return false;
  return !node.is("MaxPool") || pools_bytes_alike(node);
}

/// Whether a DequantizeLinear has one scale for all of a tensor of bytes, which keeps their order.
bool has_one_scale(const Graph& graph, const Node& node) {
  const Tensor* scale = graph.constant(node.input(1));
  const Tensor* zero = graph.constant(node.input(2));
  return node.is("DequantizeLinear") && scale != nullptr && scale->numel() == 1 &&
         *scalar_constant(graph, node.input(1)) > 0 && zero != nullptr && zero->numel() == 1 &&
         (zero->dtype() == DType::i8 || zero->dtype() == DType::u8) &&
         node.attributes.get("block_size", std::int64_t{0}) == 0;
}

}  // namespace

bool sink_dequantization(Graph& graph) {
  bool changed = false;
  std::map<ValueId, Node> dequantized;  // by result
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const auto source = only_moves(node) ? dequantized.find(node.input(0)) : dequantized.end();
    if (source == dequantized.end()) {
      if (has_one_scale(graph, node)) dequantized.emplace(node.outputs[0], node);
      nodes.push_back(std::move(node));
      continue;
    }
    changed = true;
    const Node before = source->second;
    node.inputs[0] = before.input(0);
    std::vector<Node> after;
    for (ValueId& output : node.outputs) {
      if (output == kAbsent) continue;
      Node dequantize = before;
      dequantize.name = node.name + "/" + before.name;
      dequantize.outputs = {output};
      const GraphValue declared = graph.value(output);
      output = graph.add_value(declared.name + "/bytes");
      graph.value(output).dims = declared.dims;
      dequantize.inputs[0] = output;
      dequantized.emplace(dequantize.outputs[0], dequantize);
      after.push_back(std::move(dequantize));
    }
    nodes.push_back(std::move(node));
    std::ranges::move(after, std::back_inserter(nodes));
  }
  graph.nodes = std::move(nodes);
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
