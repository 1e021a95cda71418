#pragma once

#include <span>
#include <string>

#include "onnx/graph.h"

namespace quern::onnx {

/// What a Gradient node asks for: how y changes with each of `xs`, the values `points` taking the
/// place of `xs` and then of `zs`, as constant as any other value, wherever y depends on them.
struct GradientRequest {
  std::string name;  ///< of the node
  ValueId y = kAbsent;
  std::span<const ValueId> xs;
  std::span<const ValueId> zs;
  std::span<const ValueId> points;
};

/// Appends to `graph` nodes that compute the request, and gives the value of the gradient of the
/// sum of y's elements for each of `xs`. Throws: `unsupported` where an operator on the way from xs
/// to y has no gradient here, listing those that have; `corrupt_file` where y does not depend on
/// any of them, or the graph would get more than `max_nodes`.
std::vector<ValueId> add_gradient(Graph& graph, const GradientRequest& request,
                                  std::size_t max_nodes);

}  // namespace quern::onnx
