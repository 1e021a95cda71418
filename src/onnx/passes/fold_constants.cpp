#include <algorithm>

#include "onnx/passes/evaluate.h"
#include "onnx/passes/pass.h"

namespace quern::onnx {
namespace {

// What is folded may be this many times larger than what it is made of, and no larger than a
// weight.
constexpr std::int64_t kGrowth = 16;
constexpr std::int64_t kSmall = 1 << 16;

std::int64_t bytes_of(const Value& value) {
  if (!value.is_tensor()) return 0;
  return value.tensor().numel() * static_cast<std::int64_t>(size_of(value.tensor().dtype()));
}

bool is_constant(const Graph& graph, ValueId id) {
  return id == kAbsent || graph.value(id).constant.has_value();
}

/// The outputs of a node whose inputs are constant; none where they are not worth keeping.
std::vector<Value> fold(const Graph& graph, const Node& node) {
  const Value none;
  std::vector<const Value*> inputs;
  std::int64_t taken = kSmall;
  for (const ValueId id : node.inputs) {
    inputs.push_back(id == kAbsent ? &none : &*graph.value(id).constant);
    taken += bytes_of(*inputs.back());
  }
  std::vector<Value> outputs = evaluate(graph, node, inputs);
  const auto fits = [&](const Value& value) {
    return value.is_tensor() && bytes_of(value) <= kGrowth * taken;
  };
  if (!std::ranges::all_of(outputs, fits)) return {};
  return outputs;
}

}  // namespace

bool fold_constants(Graph& graph) {
  bool changed = false;
  std::vector<Node> kept;
  for (Node& node : graph.nodes) {
    const bool known = !node.inputs.empty() && std::ranges::all_of(node.inputs, [&](ValueId id) {
      return is_constant(graph, id);
    });
    std::vector<Value> outputs = known ? fold(graph, node) : std::vector<Value>{};
    if (outputs.empty()) {
      kept.push_back(std::move(node));
      continue;
    }
    changed = true;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] != kAbsent)
        graph.value(node.outputs[i]).constant = outputs[i].tensor().contiguous();
    }
  }
  graph.nodes = std::move(kept);
  return changed;
}

}  // namespace quern::onnx
