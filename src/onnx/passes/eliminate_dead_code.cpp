#include <algorithm>

#include "onnx/passes/pass.h"

namespace quern::onnx {

bool eliminate_dead_code(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  const auto is_used = [&](ValueId id) {
    return id != kAbsent && used[static_cast<std::size_t>(id)];
  };
  const auto use = [&](ValueId id) {
    if (id != kAbsent) used[static_cast<std::size_t>(id)] = true;
  };
  std::ranges::for_each(graph.outputs, use);
  const std::size_t before = graph.nodes.size();
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (std::ranges::none_of(node->outputs, is_used)) continue;
    std::ranges::for_each(node->inputs, use);
    kept.push_back(std::move(*node));
  }
  std::ranges::reverse(kept);
  graph.nodes = std::move(kept);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!used[i]) graph.values[i].constant.reset();
  }
  return graph.nodes.size() != before;
}

}  // namespace quern::onnx
