#pragma once

#include <map>
#include <string>
#include <vector>

#include "onnx/operator.h"

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

/// What a rule knows: the node's inputs a and b, its output y, and y's gradient.
struct GradientPlace {
  BackwardPass& pass;
  const Node& node;
  ValueId y, dy;

  ValueId in(std::size_t index) const { return node.input(index); }
  void give(std::size_t index, ValueId gradient) const {
    if (node.has_input(index)) pass.give(in(index), gradient);
  }
  ValueId op(const char* type, std::vector<ValueId> inputs,
             std::vector<BackwardPass::Setting> settings = {}) const {
    return pass.add(type, std::move(inputs), std::move(settings));
  }
  ValueId mul(ValueId p, ValueId q) const { return op("Mul", {p, q}); }
  std::int64_t flag(const char* name, std::int64_t fallback) const {
    return node.attributes.get(name, fallback);
  }
};

/// Rules that the rows of operators name: each gives the node's inputs their gradients.
namespace gradients {

void abs(const GradientPlace& at);
void sum_of_two(const GradientPlace& at);
void cast(const GradientPlace& at);
void div(const GradientPlace& at);
void exp(const GradientPlace& at);
void reshape(const GradientPlace& at);
void gemm(const GradientPlace& at);
void identity(const GradientPlace& at);
void log(const GradientPlace& at);
void matmul(const GradientPlace& at);
void mul(const GradientPlace& at);
void neg(const GradientPlace& at);
void pow(const GradientPlace& at);
void reduce_sum(const GradientPlace& at);
void reduce_mean(const GradientPlace& at);
void relu(const GradientPlace& at);
void sigmoid(const GradientPlace& at);
void softmax(const GradientPlace& at);
void log_softmax(const GradientPlace& at);
void sqrt(const GradientPlace& at);
void sub(const GradientPlace& at);
void tanh(const GradientPlace& at);
void transpose(const GradientPlace& at);

}  // namespace gradients

}  // namespace quern::onnx
