#pragma once

#include <span>
#include <vector>

#include "onnx/graph.h"

namespace quern::onnx {

/// Runs a node once on `inputs` and gives its outputs; none where it owns a subgraph, differs from
/// run to run or fails.
std::vector<Value> evaluate(const Graph& graph, const Node& node,
                            std::span<const Value* const> inputs);

}  // namespace quern::onnx
