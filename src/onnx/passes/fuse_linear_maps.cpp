#include "onnx/passes/pass.h"
#include "onnx/passes/steps.h"
#include "ops/nan.h"

namespace quern::onnx {
namespace {

struct Map {
  ValueId x = kAbsent;
  ValueId weight = kAbsent;  ///< [in, out], constant
  ValueId bias = kAbsent;    ///< [out], constant
};

bool is_matrix(const Tensor* constant) {
  return constant != nullptr && constant->rank() == 2 && constant->dtype() == DType::f32 &&
         constant->numel() > 0;
}

std::optional<Map> map_of(Rewriter& rewriter, const Node& node) {
  const Graph& graph = rewriter.graph();
  const Tensor* weight = graph.constant(node.input(1));
  if (!is_matrix(weight)) return std::nullopt;
  if (node.is("MatMul")) return Map{node.input(0), node.input(1), kAbsent};
  if (!node.is("Gemm")) return std::nullopt;
  const Attributes& attributes = node.attributes;
  const bool plain = attributes.get("alpha", 1.f) == 1.f && attributes.get("beta", 1.f) == 1.f &&
                     attributes.get("transA", std::int64_t{0}) == 0;
  if (!plain) return std::nullopt;
  Map map{node.input(0), node.input(1), node.input(2)};
  const bool transposed = attributes.get("transB", std::int64_t{0}) != 0;
  const std::int64_t out = weight->dim(transposed ? 0 : 1);
  if (map.bias != kAbsent) {
    const Tensor* bias = graph.constant(map.bias);
    const bool fits = bias != nullptr && bias->dtype() == DType::f32 && bias->rank() > 0 &&
                      bias->numel() == out && bias->dim(-1) == out;
    if (!fits) return std::nullopt;
    if (bias->rank() != 1)
      map.bias = rewriter.add_constant(node.name + "/bias", bias->reshape({out}));
  }
  if (transposed) {
    const Tensor turned = graph.constant(node.input(1))->transpose(0, 1);
    map.weight = rewriter.add_constant(node.name + "/weight", turned);
  }
  return map;
}

/// Takes a following Add of a constant [out] as the bias of a map without one, and gives the Add.
Node* take_bias(Rewriter& rewriter, Node& node, Map& map) {
  const Graph& graph = rewriter.graph();
  Node* add = map.bias == kAbsent ? rewriter.only_reader(node.outputs[0]) : nullptr;
  if (add == nullptr || !add->is("Add") || add->operator_inputs != 2) return nullptr;
  const ValueId other = add->input(add->input(0) == node.outputs[0] ? 1 : 0);
  const Tensor* bias = graph.constant(other);
  const bool fits = bias != nullptr && bias->dtype() == DType::f32 && bias->rank() == 1 &&
                    bias->numel() == graph.constant(map.weight)->dim(1) && ops::is_finite(*bias);
  if (!fits) return nullptr;
  map.bias = other;
  return add;
}

}  // namespace

bool fuse_linear_maps(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
    Node& node = rewriter.node(i);
    if (rewriter.is_removed(i)) continue;
    auto map = map_of(rewriter, node);
    if (!map || !are_finite(graph, map->weight, map->bias)) continue;
    Node* add = take_bias(rewriter, node, *map);
    if (add != nullptr) {
      Node* const replaced[] = {&node};
      rewriter.substitute(*add, make_node(node, "Linear", {map->x, map->weight, map->bias}),
                          replaced);
    }
    Node& start = add != nullptr ? *add : node;
    StepChain chain(rewriter, start);
    chain.fuse(make_node(start, "Linear", {map->x, map->weight, map->bias}));
  }
  return rewriter.changed();
}

}  // namespace quern::onnx
