#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

bool is_identity(const Graph& graph, const Node& node) {
  if (node.is("Identity")) return true;
  if (node.is("Dropout")) {
    const bool has_mask = node.has_output(1);
    const bool may_train = node.opset >= 12 && node.has_input(2);
    return !has_mask && !may_train && node.opset >= 7;
  }
  const auto neutral = [&](double wanted) {
    const Tensor* constant = graph.constant(node.input(1));
    return constant != nullptr && constant->rank() == 0 &&
           scalar_constant(graph, node.input(1)) == wanted;
  };
  if (node.is("Mul") || node.is("Div")) return neutral(1);
  return (node.is("Sub") || node.is("Add")) && neutral(0);
}

}  // namespace

bool eliminate_identities(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& node = rewriter.node(i);
    if (rewriter.is_removed(i) || !node.has_input(0) || !is_identity(graph, node)) continue;
    rewriter.replace(node.outputs[0], node.input(0));
    rewriter.remove(node);
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
