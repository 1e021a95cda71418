#include "onnx/training/gradient.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/format.h"
#include "onnx/training/gradient_rules.h"

namespace quern::onnx {
namespace {

using Substitution = std::map<ValueId, ValueId>;

/// Places of the nodes between `sources` and y, in order: those that depend on a source and that y
/// depends on. A source's own producer is not between.
std::vector<std::size_t> nodes_between(const Graph& graph, std::span<const ValueId> sources,
                                       ValueId y) {
  std::vector<bool> depends(graph.values.size(), false);
  std::vector<bool> is_source(graph.values.size(), false);
  for (const ValueId id : sources) is_source[static_cast<std::size_t>(id)] = true;
  depends = is_source;
  const auto any_of = [](const std::vector<ValueId>& ids, const std::vector<bool>& marks) {
    return std::ranges::any_of(
        ids, [&](ValueId id) { return id != kAbsent && marks[static_cast<std::size_t>(id)]; });
  };
  for (const Node& node : graph.nodes) {
    if (!any_of(node.inputs, depends)) continue;
    for (const ValueId id : node.outputs) {
      if (id != kAbsent) depends[static_cast<std::size_t>(id)] = true;
    }
  }
  std::vector<bool> needed(graph.values.size(), false);
  needed[static_cast<std::size_t>(y)] = true;
  std::vector<std::size_t> found;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (!any_of(node.outputs, needed) || !any_of(node.inputs, depends)) continue;
    if (any_of(node.outputs, is_source)) continue;
    for (const ValueId id : node.inputs) {
      if (id != kAbsent) needed[static_cast<std::size_t>(id)] = true;
    }
    found.push_back(i);
  }
  std::ranges::reverse(found);
  return found;
}

/// The nodes at `places` once more, on values of their own.
std::vector<Node> copies_of(Graph& graph, std::span<const std::size_t> places,
                            const std::string& name, Substitution& substitution) {
  std::vector<Node> copies;
  for (const std::size_t place : places) {
    Node copy = graph.nodes[place];
    copy.name = name + "/" + copy.name;
    for (ValueId& id : copy.inputs) {
      const auto found = substitution.find(id);
      if (found != substitution.end()) id = found->second;
    }
    for (ValueId& id : copy.outputs) {
      if (id == kAbsent) continue;
      const ValueId own = graph.add_value(name + "/" + graph.value(id).name);
      substitution.emplace(id, own);
      id = own;
    }
    copies.push_back(std::move(copy));
  }
  return copies;
}

}  // namespace

std::vector<ValueId> add_gradient(Graph& graph, const GradientRequest& request,
                                  std::size_t max_nodes) {
  std::vector<ValueId> sources(request.xs.begin(), request.xs.end());
  sources.insert(sources.end(), request.zs.begin(), request.zs.end());
  if (sources.size() != request.points.size() || request.y == kAbsent)
    fail(ErrorCode::corrupt_file, "Gradient: {} inputs for {} names (node \"{}\")",
         request.points.size(), sources.size(), request.name);
  const std::vector<std::size_t> places = nodes_between(graph, sources, request.y);
  if (places.empty() && std::ranges::find(sources, request.y) == sources.end())
    fail(ErrorCode::corrupt_file,
         "Gradient: \"{}\" depends on none of the values named (node \"{}\")",
         graph.value(request.y).name, request.name);
  if (graph.nodes.size() + places.size() > max_nodes)
    fail(ErrorCode::corrupt_file, "graph: more than {} nodes", max_nodes);
  Substitution substitution;
  for (std::size_t i = 0; i < sources.size(); ++i)
    substitution.emplace(sources[i], request.points[i]);
  const bool moved = !std::ranges::equal(sources, request.points);
  std::vector<Node> forward;
  if (moved) {
    forward = copies_of(graph, places, request.name, substitution);
    graph.nodes.insert(graph.nodes.end(), forward.begin(), forward.end());
  } else {
    for (const std::size_t place : places) forward.push_back(graph.nodes[place]);
  }
  const auto at_points = [&](ValueId id) {
    const auto found = substitution.find(id);
    return found == substitution.end() ? id : found->second;
  };

  BackwardPass backward(graph, request.name, max_nodes);
  backward.start(at_points(request.y));
  std::ranges::for_each(forward.rbegin(), forward.rend(),
                        [&](const Node& node) { backward.step(node); });
  std::vector<ValueId> gradients;
  for (std::size_t i = 0; i < request.xs.size(); ++i)
    gradients.push_back(backward.gradient_or_zeros(request.points[i]));
  return gradients;
}

}  // namespace quern::onnx
