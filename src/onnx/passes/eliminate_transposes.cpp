#include <algorithm>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

using Permutation = std::vector<std::int64_t>;

/// Whether it holds each axis once.
bool is_valid(const Permutation& permutation) {
  const auto rank = static_cast<std::int64_t>(permutation.size());
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    if (std::ranges::count(permutation, axis) != 1) return false;
  }
  return rank > 0;
}

}  // namespace

bool eliminate_transposes(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& node = rewriter.node(i);
    if (rewriter.is_removed(i) || !node.is("Transpose") || !node.has_input(0)) continue;
    Permutation second = node.attributes.ints("perm");
    Node* before = rewriter.producer(node.input(0), "Transpose");
    if (before != nullptr) {
      const Permutation first = before->attributes.ints("perm");
      if (first.size() == second.size() && is_valid(first) && is_valid(second)) {
        for (std::int64_t& axis : second) axis = first[static_cast<std::size_t>(axis)];
        node.attributes.set("perm", second);
        rewriter.set_inputs(node, {before->input(0)});
      }
    }
    if (!is_valid(second) || !std::ranges::is_sorted(second)) continue;
    rewriter.replace(node.outputs[0], node.input(0));
    rewriter.remove(node);
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
