#include "onnx/passes/pass.h"
#include "onnx/passes/steps.h"
#include "quern/ops.h"

namespace quern::onnx {
namespace {

/// A constant that adds one number to each of `channels` channels of a [batch, channels, ...] of
/// `rank` axes, as [channels]; nothing for others.
std::optional<Tensor> channel_constant(const Graph& graph, ValueId id, std::int64_t channels,
                                       int rank) {
  const Tensor* constant = graph.constant(id);
  if (constant == nullptr || constant->dtype() != DType::f32) return std::nullopt;
  if (constant->numel() != channels || constant->rank() > rank) return std::nullopt;
  const int axis = constant->rank() - (rank - 1);  // that of the channels
  if (axis < 0 || constant->dim(axis) != channels) return std::nullopt;
  return constant->reshape({channels});
}

/// Takes a following Add of a constant for each channel as the bias of a convolution without one.
bool take_bias(Rewriter& rewriter, Node& conv) {
  const Graph& graph = rewriter.graph();
  const Tensor* weight = graph.constant(conv.input(1));
  Node* add = rewriter.only_reader(conv.outputs[0]);
  if (conv.has_input(2) || weight == nullptr || add == nullptr || !add->is("Add")) return false;
  const ValueId other = add->input(add->input(0) == conv.outputs[0] ? 1 : 0);
  const auto bias = channel_constant(graph, other, weight->dim(0), weight->rank());
  if (!bias) return false;
  Node made = conv;
  const ValueId bias_id = rewriter.add_constant(conv.name + "/bias", *bias);
  made.inputs = {conv.input(0), conv.input(1), bias_id};
  made.operator_inputs = 3;
  Node* const replaced[] = {&conv};
  rewriter.substitute(*add, std::move(made), replaced);
  return true;
}

}  // namespace

bool fuse_convolutions(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& node = rewriter.node(i);
    if (rewriter.is_removed(i) || !node.is("Conv")) continue;
    const Tensor* weight = graph.constant(node.input(1));
    const std::string padding = node.attributes.get("auto_pad", "NOTSET");
    if (padding != "NOTSET" && padding != "VALID") continue;  // pads follow from the source's size
    const bool constant_bias = !node.has_input(2) || graph.constant(node.input(2)) != nullptr;
    if (weight == nullptr || weight->dtype() != DType::f32 || !constant_bias) continue;
    if (!are_finite(graph, node.input(1), node.input(2))) continue;
    if (take_bias(rewriter, node)) continue;  // met again where the sum was
    StepChain chain(rewriter, node);
    Node made = make_node(node, "Conv", {node.input(0), node.input(1), node.input(2)});
    made.attributes = node.attributes;
    if (padding == "VALID") made.attributes.erase("pads");
    chain.fuse(std::move(made));
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
