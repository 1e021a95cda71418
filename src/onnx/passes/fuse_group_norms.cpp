#include <algorithm>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

using Dims = std::vector<std::int64_t>;

/// How many groups of x's channels `grouped` = Reshape(x, [batch, groups, -1]) has; 0 for others.
std::int64_t groups_of(const Graph& graph, const Node& grouped) {
  const Tensor* given = graph.constant(grouped.input(1));
  const auto& dims = graph.value(grouped.input(0)).dims;
  if (given == nullptr || given->dtype() != DType::i64 || given->shape() != Shape{3} || !dims ||
      dims->size() < 2 || (*dims)[1] <= 0 || grouped.attributes.get("allowzero", std::int64_t{0}))
    return 0;
  const Tensor dense = given->contiguous();
  const auto shape = dense.data<std::int64_t>();
  const bool keeps_batch = shape[0] == 0 || (shape[0] > 0 && shape[0] == (*dims)[0]);
  return keeps_batch && shape[1] > 0 && (*dims)[1] % shape[1] == 0 ? shape[1] : 0;
}

/// Whether `reshaped` has the shape of x again.
bool restores(Rewriter& rewriter, const Node& reshaped, ValueId x) {
  const Node* shape = rewriter.producer(reshaped.input(1), "Shape");
  if (shape != nullptr)
    return shape->input(0) == x && !shape->attributes.contains("start") &&
           !shape->attributes.contains("end");
  const auto& before = rewriter.graph().value(x).dims;
  const auto& after = rewriter.graph().value(reshaped.outputs[0]).dims;
  return before && before == after && std::ranges::all_of(*after, [](auto d) { return d > 0; });
}

bool is_all(const Graph& graph, ValueId id, float number) {
  const Tensor* constant = graph.constant(id);
  if (constant == nullptr || constant->dtype() != DType::f32) return false;
  const Tensor dense = constant->contiguous();
  return std::ranges::all_of(dense.data<float>(), [&](float value) { return value == number; });
}

struct GroupNormParts {
  ValueId x;
  std::int64_t groups;
  float epsilon;
};

/// What `id` is where groups of x's channels are normalised as one channel each.
std::optional<GroupNormParts> normalised_groups(Rewriter& rewriter, ValueId id) {
  const Graph& graph = rewriter.graph();
  const Node* reshaped = rewriter.producer(id, "Reshape");
  if (reshaped == nullptr) return std::nullopt;
  const Node* norm = rewriter.producer(reshaped->input(0), "InstanceNormalization");
  const Node* grouped = norm == nullptr ? nullptr : rewriter.producer(norm->input(0), "Reshape");
  if (grouped == nullptr || norm->operator_inputs != 3 || !is_all(graph, norm->input(1), 1.f) ||
      !is_all(graph, norm->input(2), 0.f) || !restores(rewriter, *reshaped, grouped->input(0)))
    return std::nullopt;
  const std::int64_t groups = groups_of(graph, *grouped);
  if (groups == 0) return std::nullopt;
  return GroupNormParts{grouped->input(0), groups, norm->attributes.get("epsilon", 1e-5f)};
}

/// The values of x's channels in a constant that broadcasts to x along all its other axes.
std::optional<Tensor> by_channel(const Graph& graph, ValueId id, ValueId x) {
  const Tensor* constant = graph.constant(id);
  const auto& dims = *graph.value(x).dims;
  const auto rank = static_cast<int>(dims.size());
  if (constant == nullptr || !is_floating(constant->dtype()) || constant->rank() > rank ||
      constant->rank() < rank - 1 || constant->numel() != dims[1] ||
      constant->dim(constant->rank() - rank + 1) != dims[1])
    return std::nullopt;
  return constant->contiguous().reshape({dims[1]});
}

void fuse_group_norm(Rewriter& rewriter, Node& scaled) {
  const Graph& graph = rewriter.graph();
  Node* shifted = rewriter.only_reader(scaled.outputs[0]);
  if (shifted == nullptr || !shifted->is("Add")) return;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto parts = normalised_groups(rewriter, scaled.input(i));
    if (!parts) continue;
    const auto scale = by_channel(graph, scaled.input(1 - i), parts->x);
    const auto shift = by_channel(graph, other_input(*shifted, scaled.outputs[0]), parts->x);
    if (!scale || !shift) continue;
    Node made = make_node(*shifted, "GroupNormalization",
                          {parts->x, rewriter.add_constant(scaled.name + "/scale", *scale),
                           rewriter.add_constant(shifted->name + "/shift", *shift)},
                          {}, 21);
    made.attributes.set("num_groups", parts->groups);
    made.attributes.set("epsilon", parts->epsilon);
    rewriter.substitute(*shifted, std::move(made), {});
    return;
  }
}

}  // namespace

bool fuse_group_norms(Graph& graph) {
  bool changed = false;
  {
    Rewriter rewriter(graph);
    for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
      Node& node = rewriter.node(i);
      if (!rewriter.is_removed(i) && node.is("Mul") && node.operator_inputs == 2)
        fuse_group_norm(rewriter, node);
    }
    changed = rewriter.changed();
  }
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
