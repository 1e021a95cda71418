#pragma once

#include <optional>
#include <string>
#include <vector>

#include "onnx/passes/rewriter.h"

namespace quern::onnx {

/// What follows a product in a graph and can be done before its result is stored: functions of one
/// element, and sums or products with another value. Attributes of a fused node: "steps" names them
/// in order, "alpha" and "beta" are theirs; each "add" or "mul" reads one more input.
class StepChain {
 public:
  /// Follows the readers of the node's output for as long as they can be steps. `first_operand`:
  /// how many inputs the fused node has before those of steps.
  StepChain(Rewriter& rewriter, Node& start);

  bool empty() const noexcept { return followed_.empty(); }
  /// Puts `made` in place of the last node of the chain, with the steps as attributes and inputs.
  void fuse(Node made);

 private:
  struct Step {
    std::string name;
    float alpha = 0.f;
    float beta = 0.f;
    ValueId operand = kAbsent;
  };
  /// oneDNN 2 gives a function that comes twice the numbers of the first.
  bool repeats(const Step& step) const;
  std::optional<Step> step_of(const Node& reader, ValueId value) const;

  Rewriter& rewriter_;
  Node* start_;
  std::vector<Step> steps_;
  std::vector<Node*> followed_;
};

/// Whether a constant weight and bias, which may be absent, hold neither NaN nor infinity, which
/// steps done with the product would lose.
bool are_finite(const Graph& graph, ValueId weight, ValueId bias);

}  // namespace quern::onnx
