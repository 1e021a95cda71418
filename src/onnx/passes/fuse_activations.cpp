#include <cmath>
#include <numbers>

#include "onnx/passes/pass.h"
#include "onnx/passes/rewriter.h"

namespace quern::onnx {
namespace {

/// x * sigmoid(x), and x * hard_sigmoid(x) with the slopes of HardSwish.
bool fuse_gated(Rewriter& rewriter, Node& mul) {
  for (std::size_t i = 0; i < 2; ++i) {
    Node* gate = rewriter.producer(mul.input(i));
    const ValueId x = mul.input(1 - i);
    if (gate == nullptr || x == kAbsent || gate->input(0) != x || rewriter.reads(mul.input(i)) != 1)
      continue;
    Node* const replaced[] = {gate};
    if (gate->is("Sigmoid")) {
      rewriter.substitute(mul, make_node(mul, "Silu", {x}), replaced);
      return true;
    }
    const bool hard = gate->is("HardSigmoid") &&
                      std::abs(gate->attributes.get("alpha", 0.2f) - 1.f / 6) < 1e-7f &&
                      gate->attributes.get("beta", 0.5f) == 0.5f;
    if (!hard) continue;
    Node made = make_node(mul, "HardSwish", {x});
    made.domain.clear();
    made.opset = 14;
    rewriter.substitute(mul, std::move(made), replaced);
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

/// x of `id` = 1 + erf(x / sqrt(2)).
ValueId in_error_function(Rewriter& rewriter, ValueId id) {
  const ValueId sum = combined_with(rewriter, id, "Add", 1);
  const Node* erf = rewriter.producer(sum, "Erf");
  return erf == nullptr ? kAbsent : divided_by_root_two(rewriter, erf->input(0));
}

/// Whether `id` is half of `x`.
bool is_half(Rewriter& rewriter, ValueId id, ValueId x) {
  return combined_with(rewriter, id, "Mul", 0.5) == x;
}

/// x * (1 + erf(x / sqrt(2))) * 0.5, multiplied in any order.
bool fuse_gelu(Rewriter& rewriter, Node& mul) {
  ValueId x = kAbsent;
  for (std::size_t i = 0; i < 2 && x == kAbsent; ++i) {
    const ValueId a = mul.input(i);
    const ValueId b = mul.input(1 - i);
    const ValueId inner = in_error_function(rewriter, b);
    if (inner != kAbsent && is_half(rewriter, a, inner)) x = inner;  // (x / 2) * (1 + erf)
    const ValueId halved = combined_with(rewriter, b, "Mul", 0.5);   // x * ((1 + erf) / 2)
    if (halved != kAbsent && in_error_function(rewriter, halved) == a) x = a;
    if (scalar_beside(rewriter.graph(), a, b) == 0.5) {  // 0.5 * (x * (1 + erf))
      const Node* product = rewriter.producer(b, "Mul");
      for (std::size_t k = 0; product != nullptr && k < 2; ++k) {
        const ValueId found = in_error_function(rewriter, product->input(k));
        if (found != kAbsent && found == product->input(1 - k)) x = found;
      }
    }
  }
  if (x == kAbsent) return false;
  Node made = make_node(mul, "Gelu", {x});
  made.domain.clear();
  made.opset = 20;
  rewriter.substitute(mul, std::move(made), {});
  return true;
}

}  // namespace

bool fuse_activations(Graph& graph) {
  bool changed = false;
  {
    Rewriter rewriter(graph);
    for (std::size_t i = 0; i < rewriter.node_count(); ++i) {
      Node& node = rewriter.node(i);
      if (rewriter.is_removed(i) || !node.is("Mul") || node.operator_inputs != 2) continue;
      if (!fuse_gated(rewriter, node)) fuse_gelu(rewriter, node);
    }
    changed = rewriter.changed();
  }
  if (changed) eliminate_dead_code(graph);
  return changed;
}

}  // namespace quern::onnx
