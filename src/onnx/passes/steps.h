#pragma once

#include <optional>
#include <vector>

#include "onnx/passes/rewriter.h"

namespace quern::onnx {

/// What follows a product in a graph and can be done before its result is stored: functions of one
/// element, and sums with another value. Attribute kSteps of a fused node holds them in order; each
/// sum reads one more input.
class StepChain {
 public:
  /// Follows the readers of the node's output for as long as they can be steps. `first_operand`:
  /// how many inputs the fused node has before those of steps.
  StepChain(Rewriter& rewriter, Node& start);

  bool empty() const noexcept { return followed_.empty(); }
  /// Puts `made` in place of the last node of the chain, with the steps as attributes and inputs.
  void fuse(Node made);

 private:
  struct Link {
    ops::Step step;
    ValueId operand = kAbsent;
  };
  /// oneDNN 2 gives a function that comes twice the numbers of the first.
  bool repeats(const ops::Step& step) const;
  std::optional<Link> link_of(const Node& reader, ValueId value) const;

  Rewriter& rewriter_;
  Node* start_;
  std::vector<Link> links_;
  std::vector<Node*> followed_;
};

/// Whether a constant weight and bias, which may be absent, hold neither NaN nor infinity, which
/// steps done with the product would lose.
bool are_finite(const Graph& graph, ValueId weight, ValueId bias);

}  // namespace quern::onnx
