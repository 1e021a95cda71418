#include <cmath>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

/// Scores before the softmax: q · kᵀ * scale + mask.
struct Scores {
  ValueId q = kAbsent;
  ValueId k_transposed = kAbsent;  ///< [batch, heads, dim, keys]
  double scale = 1;
  ValueId mask = kAbsent;
};

/// Whether it makes no difference, but for rounding, which factor of a product a scale is taken to.
bool is_ordinary(double scale) {
  const double size = std::abs(scale);
  return size > 1e-6 && size < 1e6;
}

/// Takes a product or quotient with a constant off `id`.
ValueId unscaled(Rewriter& rewriter, ValueId id, double& scale) {
  const Node* node = rewriter.producer(id);
  if (node == nullptr || rewriter.reads(id) != 1 || node->operator_inputs != 2) return id;
  if (node->is("Div")) {
    const auto divisor = scalar_beside(rewriter.graph(), node->input(1), node->input(0));
    if (!divisor || !is_ordinary(scale / *divisor)) return id;
    scale /= *divisor;
    return node->input(0);
  }
  if (!node->is("Mul")) return id;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto factor = scalar_beside(rewriter.graph(), node->input(i), node->input(1 - i));
    if (!factor || !is_ordinary(scale * *factor)) continue;
    scale *= *factor;
    return node->input(1 - i);
  }
  return id;
}

std::optional<Scores> scores_of(Rewriter& rewriter, ValueId id) {
  Scores scores;
  if (rewriter.reads(id) != 1) return std::nullopt;
  const Node* add = rewriter.producer(id, "Add");
  for (std::size_t i = 0; i < (add != nullptr ? 2u : 1u); ++i) {
    double scale = 1;
    const ValueId masked = add != nullptr ? add->input(i) : id;
    const ValueId product = unscaled(rewriter, masked, scale);
    const Node* matmul = rewriter.producer(product, "MatMul");
    if (matmul == nullptr || rewriter.reads(product) != 1) continue;
    scores.mask = add != nullptr ? add->input(1 - i) : kAbsent;
    scores.q = unscaled(rewriter, matmul->input(0), scale);
    scores.k_transposed = unscaled(rewriter, matmul->input(1), scale);
    scores.scale = scale;
    return scores;
  }
  return std::nullopt;
}

/// Before opset 13 a softmax is over all axes from one on, which is that one alone where it is the
/// last.
bool softmaxes_last_axis(const Graph& graph, const Node& softmax) {
  const std::int64_t axis =
      softmax.attributes.get("axis", std::int64_t{softmax.opset >= 13 ? -1 : 1});
  const auto rank = known_rank(graph, softmax.input(0));
  return axis == -1 || (rank && axis + 1 == static_cast<std::int64_t>(*rank));
}

}  // namespace

bool fuse_attention(Graph& graph) {
  bool changed = false;
  {
    Rewriter rewriter(graph);
    for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
      Node& node = rewriter.node(i);
      if (rewriter.is_removed(i) || !node.is("MatMul")) continue;
      const Node* softmax = rewriter.producer(node.input(0), "Softmax");
      if (softmax == nullptr || rewriter.reads(node.input(0)) != 1) continue;
      const auto scores = softmaxes_last_axis(graph, *softmax)
                              ? scores_of(rewriter, softmax->input(0))
                              : std::nullopt;
      if (!scores || graph.constant(scores->q) != nullptr) continue;
      Node made = make_node(node, "Attention",
                            {scores->q, scores->k_transposed, node.input(1), scores->mask});
      made.attributes.set("scale", static_cast<float>(scores->scale));
      rewriter.substitute(node, std::move(made), {});
    }
    changed = rewriter.changed();
  }
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
