#include <algorithm>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

/// Whether a reduction is over the last axis alone and keeps it.
bool is_over_last_axis(const Graph& graph, const Node& mean) {
  std::vector<std::int64_t> axes = mean.attributes.ints("axes");
  const Tensor* given = graph.constant(mean.input(1));
  if (axes.empty() && given != nullptr && given->dtype() == DType::i64) {
    const Tensor dense = given->contiguous();
    axes.assign(dense.data<std::int64_t>().begin(), dense.data<std::int64_t>().end());
  }
  const auto& dims = graph.value(mean.input(0)).dims;
  const bool last =
      axes.size() == 1 &&
      (axes[0] == -1 || (dims && axes[0] + 1 == static_cast<std::int64_t>(dims->size())));
  return last && mean.attributes.get("keepdims", std::int64_t{1}) == 1;
}

bool is_square_of(Rewriter& rewriter, ValueId id, ValueId x) {
  const Node* node = rewriter.producer(id);
  if (node == nullptr) return false;
  if (node->is("Mul")) return node->input(0) == x && node->input(1) == x;
  return node->is("Pow") && node->input(0) == x &&
         scalar_beside(rewriter.graph(), node->input(1), x) == 2.0;
}

/// What `id` = sqrt(mean(x²) + epsilon) is made of.
struct Deviation {
  ValueId x;
  float epsilon;
};
std::optional<Deviation> deviation_of(Rewriter& rewriter, ValueId id) {
  const Node* root = rewriter.producer(id, "Sqrt");
  const Node* sum = root == nullptr ? nullptr : rewriter.producer(root->input(0), "Add");
  if (sum == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto epsilon = scalar_beside(rewriter.graph(), sum->input(i), sum->input(1 - i));
    const Node* mean = rewriter.producer(sum->input(1 - i), "ReduceMean");
    if (!epsilon || mean == nullptr || !is_over_last_axis(rewriter.graph(), *mean)) continue;
    const Node* square = rewriter.producer(mean->input(0));
    if (square != nullptr && is_square_of(rewriter, mean->input(0), square->input(0)))
      return Deviation{square->input(0), static_cast<float>(*epsilon)};
  }
  return std::nullopt;
}

/// x / sqrt(mean(x²) + epsilon), as a quotient or as a product with the reciprocal.
std::optional<Deviation> normalised_of(Rewriter& rewriter, ValueId id) {
  const Node* node = rewriter.producer(id);
  if (node == nullptr) return std::nullopt;
  std::optional<Deviation> found;
  if (node->is("Div")) {
    found = deviation_of(rewriter, node->input(1));
    if (found && found->x == node->input(0)) return found;
  }
  for (std::size_t i = 0; node->is("Mul") && i < 2; ++i) {
    const Node* inverse = rewriter.producer(node->input(i));
    if (inverse == nullptr) continue;
    if (inverse->is("Reciprocal")) found = deviation_of(rewriter, inverse->input(0));
    if (inverse->is("Div") &&
        scalar_beside(rewriter.graph(), inverse->input(0), inverse->input(1)) == 1.0)
      found = deviation_of(rewriter, inverse->input(1));
    if (found && found->x == node->input(1 - i)) return found;
  }
  return std::nullopt;
}

/// x where `id` = x - mean(x).
ValueId centred_of(Rewriter& rewriter, ValueId id) {
  const Node* sub = rewriter.producer(id, "Sub");
  const Node* mean = sub == nullptr ? nullptr : rewriter.producer(sub->input(1), "ReduceMean");
  const bool fits = mean != nullptr && mean->input(0) == sub->input(0) &&
                    is_over_last_axis(rewriter.graph(), *mean);
  return fits ? sub->input(0) : kAbsent;
}

/// A constant number for each element of x's last axis, whose size is known to be theirs: another
/// would make x's shape that of the result.
bool is_row_of(const Graph& graph, ValueId id, ValueId x) {
  const Tensor* constant = graph.constant(id);
  const auto& dims = graph.value(x).dims;
  return constant != nullptr && constant->rank() == 1 && constant->dtype() == DType::f32 &&
         constant->numel() > 0 && dims && !dims->empty() && dims->back() == constant->numel();
}

Node standard_node(const Node& like, std::string_view op_type, std::int64_t opset, float epsilon,
                   std::vector<ValueId> inputs) {
  Node made = make_node(like, op_type, std::move(inputs), {}, opset);
  made.attributes.set("axis", std::int64_t{-1});
  made.attributes.set("epsilon", epsilon);
  return made;
}

/// `scaled` = normalised * scale; a LayerNormalization where x was centred and a shift follows,
/// else an RMSNormalization.
void fuse(Rewriter& rewriter, Node& scaled) {
  const Graph& graph = rewriter.graph();
  for (std::size_t i = 0; i < 2; ++i) {
    const ValueId scale = scaled.input(i);
    const auto normalised = normalised_of(rewriter, scaled.input(1 - i));
    if (!normalised || !is_row_of(graph, scale, normalised->x)) continue;
    const ValueId x = centred_of(rewriter, normalised->x);
    Node* add = rewriter.only_reader(scaled.outputs[0]);
    if (x == kAbsent) {
      rewriter.substitute(scaled,
                          standard_node(scaled, "RMSNormalization", 23, normalised->epsilon,
                                        {normalised->x, scale}),
                          {});
      return;
    }
    const ValueId shift =
        add != nullptr && add->is("Add") ? other_input(*add, scaled.outputs[0]) : kAbsent;
    const bool shifts = shift != kAbsent && is_row_of(graph, shift, normalised->x);
    Node& last = shifts ? *add : scaled;
    std::vector<ValueId> inputs{x, scale};
    if (shifts) inputs.push_back(shift);
    rewriter.substitute(
        last, standard_node(last, "LayerNormalization", 17, normalised->epsilon, inputs), {});
    return;
  }
}

}  // namespace

bool fuse_layer_norms(Graph& graph) {
  bool changed = false;
  {
    Rewriter rewriter(graph);
    for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
      Node& node = rewriter.node(i);
      if (!rewriter.is_removed(i) && node.is("Mul") && node.operator_inputs == 2)
        fuse(rewriter, node);
    }
    changed = rewriter.changed();
  }
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
