#include <cmath>

#include "io/onnx_proto.h"
#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

/// Whether a Cast is to the dtype that a QuantizeLinear before it stores.
bool keeps_dtype(Rewriter& rewriter, const Node& cast) {
  const Node* before = rewriter.producer(cast.input(0), "QuantizeLinear");
  if (before == nullptr) return false;
  const Tensor* zero = rewriter.graph().constant(before->input(2));
  const std::int64_t to = cast.attributes.get("to", std::int64_t{0});
  return zero != nullptr && io::onnx::find_dtype(to) == zero->dtype();
}

bool is_identity(Rewriter& rewriter, const Node& node) {
  const Graph& graph = rewriter.graph();
  if (node.is("Identity")) return true;
  if (node.is("Cast")) return keeps_dtype(rewriter, node);
  if (node.is("Dropout")) {
    const bool has_mask = node.has_output(1);
    const bool may_train = node.opset >= 12 && node.has_input(2);
    return !has_mask && !may_train && node.opset >= 7;
  }
  if (node.operator_inputs != 2) return false;
  const auto number = scalar_beside(graph, node.input(1), node.input(0));
  if (!number) return false;
  if (node.is("Mul") || node.is("Div")) return *number == 1;
  // -0 + 0 is 0
  const bool keeps_zeros = !is_floating(graph.constant(node.input(1))->dtype()) ||
                           std::signbit(*number) == node.is("Add");
  return (node.is("Sub") || node.is("Add")) && *number == 0 && keeps_zeros;
}

}  // namespace

bool eliminate_identities(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& node = rewriter.node(i);
    if (rewriter.is_removed(i) || !node.has_input(0) || !is_identity(rewriter, node)) continue;
    rewriter.replace(node.outputs[0], node.input(0));
    rewriter.remove(node);
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
