#pragma once

#include <map>
#include <string>
#include <vector>

#include "onnx/graph.h"

namespace quern::onnx {

/// Nodes of gradients, appended to a graph in the reverse order of its own nodes.
class BackwardPass {
 public:
  BackwardPass(Graph& graph, std::string name, std::size_t max_nodes)
      : graph_(graph), name_(std::move(name)), max_nodes_(max_nodes) {}

  /// The gradient of y's elements with respect to themselves.
  void start(ValueId y) { gradients_[y] = filled_like(y, 1.f); }
  /// Adds what the node's inputs get of the gradient of its output. Throws: `unsupported` for an
  /// operator without a rule.
  void step(const Node& node);
  ValueId gradient_or_zeros(ValueId id);

  // ---- What rules are made of ----

  using Setting = std::pair<std::string, Attribute>;
  ValueId add(std::string op_type, std::vector<ValueId> inputs, std::vector<Setting> settings = {},
              std::string domain = {});
  ValueId constant(Tensor value);
  ValueId filled_like(ValueId like, float value);
  /// A number of the dtype of `like`.
  ValueId number(float value, ValueId like);
  /// `gradient` is of a result to which `input` was broadcast.
  void give(ValueId input, ValueId gradient);

 private:
  Graph& graph_;
  std::string name_;
  std::size_t max_nodes_;
  std::size_t made_ = 0;
  std::map<ValueId, ValueId> gradients_;
};

}  // namespace quern::onnx
