#include <map>
#include <utility>

#include "onnx/operator.h"
#include "onnx/passes/pass.h"

namespace quern::onnx {
namespace {

bool only_reorders(const Node& node) {
  return node.row != nullptr && node.row->moves == Moves::all;
}

/// Whether a QuantizeLinear stores all of a tensor by one scale.
bool stores_by_one_scale(const Graph& graph, const Node& node) {
  const Tensor* scale = graph.constant(node.input(1));
  const Tensor* zero = graph.constant(node.input(2));
  return node.is("QuantizeLinear") && node.outputs.size() == 1 && scale != nullptr &&
         scale->numel() == 1 && zero != nullptr && zero->numel() == 1 &&
         node.attributes.get("block_size", std::int64_t{0}) == 0;
}

}  // namespace

bool hoist_quantization(Graph& graph) {
  bool changed = false;
  std::map<ValueId, std::size_t> producer;
  std::map<ValueId, std::size_t> reads;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) producer[id] = i;
    for (const ValueId id : graph.nodes[i].inputs) ++reads[id];
  }
  for (const ValueId id : graph.outputs) ++reads[id];
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    Node& quantize = graph.nodes[i];
    const auto source = producer.find(quantize.input(0));
    if (source == producer.end() || !stores_by_one_scale(graph, quantize)) continue;
    Node& move = graph.nodes[source->second];
    const ValueId moved = move.outputs[0];
    if (!only_reorders(move) || move.outputs.size() != 1 || reads[moved] != 1) continue;
    const ValueId bytes = graph.add_value(graph.value(moved).name + "/bytes");
    quantize.inputs[0] = move.inputs[0];
    move.inputs[0] = bytes;
    move.outputs[0] = std::exchange(quantize.outputs[0], bytes);
    std::swap(move, quantize);
    producer[bytes] = source->second;
    changed = true;
  }
  return changed;
}

}  // namespace quern::onnx
