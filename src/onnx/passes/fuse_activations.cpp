#include <cmath>
#include <numbers>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

/// Puts `function` of x in the place of `last`.
void put(Rewriter& rewriter, Node& last, const ActivationFunction& function, ValueId x,
         std::span<Node* const> others) {
  Node made = make_node(last, {}, {x});
  set_activation(made, function);
  rewriter.substitute(last, std::move(made), others);
}

/// x * gate(x), where that is an activation, too.
bool fuse_gated(Rewriter& rewriter, Node& mul) {
  for (std::size_t i = 0; i < 2; ++i) {
    Node* gate = rewriter.producer(mul.input(i));
    const ValueId x = mul.input(1 - i);
    if (gate == nullptr || x == kAbsent || gate->input(0) != x || rewriter.reads(mul.input(i)) != 1)
      continue;
    const bool is_gate = gate->row != nullptr && gate->row->gated != nullptr;
    const auto gated = is_gate ? gate->row->gated(*gate, rewriter.graph()) : std::nullopt;
    if (!gated) continue;
    Node* const replaced[] = {gate};
    put(rewriter, mul, *gated, x, replaced);
    return true;
  }
  return false;
}

/// x of `id` = x / sqrt(2) or x * sqrt(1/2).
ValueId divided_by_root_two(Rewriter& rewriter, ValueId id) {
  const Node* div = rewriter.producer(id, "Div");
  if (div != nullptr) {
    const ValueId x = div->input(0);
    return is_scalar_beside(rewriter.graph(), div->input(1), x, std::numbers::sqrt2) ? x : kAbsent;
  }
  return combined_with(rewriter, id, "Mul", 1 / std::numbers::sqrt2);
}

bool is_cube(Rewriter& rewriter, ValueId id, ValueId x) {
  const Node* node = rewriter.producer(id);
  if (node == nullptr) return false;
  if (node->is("Pow"))
    return node->input(0) == x && is_scalar_beside(rewriter.graph(), node->input(1), x, 3);
  if (!node->is("Mul")) return false;
  const Node* square = rewriter.producer(other_input(*node, x), "Mul");
  return square != nullptr && square->input(0) == x && square->input(1) == x;
}

/// x of `id` = sqrt(2 / pi) * (x + 0.044715 * x * x * x).
ValueId in_cubic(Rewriter& rewriter, ValueId id) {
  const double factor = std::sqrt(2 / std::numbers::pi);
  const Node* sum = rewriter.producer(combined_with(rewriter, id, "Mul", factor), "Add");
  for (std::size_t i = 0; sum != nullptr && i < 2; ++i) {
    const ValueId x = sum->input(i);
    const ValueId cube = combined_with(rewriter, sum->input(1 - i), "Mul", 0.044715);
    if (is_cube(rewriter, cube, x)) return x;
  }
  return kAbsent;
}

using Kind = ActivationFunction::Kind;

/// x of `id` = 1 + erf(x / sqrt(2)), or of 1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)).
ValueId in_curve(Rewriter& rewriter, ValueId id, Kind gelu) {
  const ValueId sum = combined_with(rewriter, id, "Add", 1);
  const Node* function = rewriter.producer(sum, gelu == Kind::gelu_erf ? "Erf" : "Tanh");
  if (function == nullptr) return kAbsent;
  const ValueId inner = function->input(0);
  return gelu == Kind::gelu_erf ? divided_by_root_two(rewriter, inner) : in_cubic(rewriter, inner);
}

/// Whether `id` is half of `x`.
bool is_half(Rewriter& rewriter, ValueId id, ValueId x) {
  return combined_with(rewriter, id, "Mul", 0.5) == x;
}

/// x * (1 + erf(x / sqrt(2))) * 0.5 or the like with tanh, multiplied in any order.
bool fuse_gelu(Rewriter& rewriter, Node& mul, Kind gelu) {
  ValueId x = kAbsent;
  for (std::size_t i = 0; i < 2 && x == kAbsent; ++i) {
    const ValueId a = mul.input(i);
    const ValueId b = mul.input(1 - i);
    const ValueId inner = in_curve(rewriter, b, gelu);
    if (inner != kAbsent && is_half(rewriter, a, inner)) x = inner;  // (x / 2) * (1 + curve)
    const ValueId halved = combined_with(rewriter, b, "Mul", 0.5);   // x * ((1 + curve) / 2)
    if (halved != kAbsent && in_curve(rewriter, halved, gelu) == a) x = a;
    if (scalar_beside(rewriter.graph(), a, b) == 0.5) {  // 0.5 * (x * (1 + curve))
      const Node* product = rewriter.producer(b, "Mul");
      for (std::size_t k = 0; product != nullptr && k < 2; ++k) {
        const ValueId found = in_curve(rewriter, product->input(k), gelu);
        if (found != kAbsent && found == product->input(1 - k)) x = found;
      }
    }
  }
  if (x == kAbsent) return false;
  put(rewriter, mul, {gelu}, x, {});
  return true;
}

/// PRelu of one slope for all, as what products and convolutions take with them.
void simplify_prelu(Rewriter& rewriter, Node& node) {
  const Tensor* given = rewriter.graph().constant(node.input(1));
  const auto slope = scalar_constant(rewriter.graph(), node.input(1));
  if (!slope || *slope == 0 || !std::isfinite(*slope) || given->dtype() != DType::f32) return;
  put(rewriter, node, {Kind::relu, static_cast<float>(*slope)}, node.input(0), {});
}

}  // namespace

bool fuse_activations(Graph& graph) {
  bool changed = false;
  {
    Rewriter rewriter(graph);
    for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
      Node& node = rewriter.node(i);
      if (rewriter.is_removed(i)) continue;
      if (node.is("PRelu")) simplify_prelu(rewriter, node);
      if (!node.is("Mul") || node.operator_inputs != 2) continue;
      if (!fuse_gated(rewriter, node) && !fuse_gelu(rewriter, node, Kind::gelu_erf))
        fuse_gelu(rewriter, node, Kind::gelu_tanh);
    }
    changed = rewriter.changed();
  }
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
