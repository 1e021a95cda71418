#include "onnx/split_fused.h"

#include <limits>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/format.h"
#include "onnx/operator.h"

namespace quern::onnx {
namespace {

constexpr std::string_view kDomain = "com.microsoft";

/// The parameters of a fused node's activation, in the order of its own attributes.
std::vector<float> activation_parameters(const Node& node) {
  if (const auto all = node.attributes.find<std::vector<float>>("activation_params")) return *all;
  std::vector<float> parameters;
  for (const char* name : {"activation_alpha", "activation_beta"}) {
    if (const auto value = node.attributes.find<float>(name)) parameters.push_back(*value);
  }
  return parameters;
}

void set_activation(Node& node, const std::string& name, const std::vector<float>& parameters) {
  const auto set = [&](const char* attribute, std::size_t index, float otherwise) {
    node.attributes.set(attribute, index < parameters.size() ? parameters[index] : otherwise);
  };
  constexpr float kMost = std::numeric_limits<float>::max();
  set_operator(node, {}, name, 6);  // in which Clip's bounds are attributes
  if (name == "LeakyRelu") {
    set("alpha", 0, 0.01f);
  } else if (name == "Clip") {
    set("min", 0, -kMost);
    set("max", 1, kMost);
  } else if (name == "HardSigmoid") {
    set("alpha", 0, 0.2f);
    set("beta", 1, 0.5f);
  } else if (name != "Relu" && name != "Sigmoid" && name != "Tanh") {
    fail(ErrorCode::unsupported,
         "graph: activation \"{}\" of node \"{}\"; known: Clip, HardSigmoid, LeakyRelu, Relu, "
         "Sigmoid, Tanh",
         name, node.name);
  }
}

/// A node on what `parts` end with, which takes over their result.
Node& follow(std::vector<Node>& parts, Graph& graph, const std::string& name) {
  Node next;
  next.name = name;
  next.outputs = {std::exchange(parts.back().outputs[0], graph.add_value(name + "/in"))};
  next.inputs = {parts.back().outputs[0]};
  next.operator_inputs = 1;
  return parts.emplace_back(std::move(next));
}

}  // namespace

std::vector<Node> split_fused(Node node, Graph& graph) {
  const bool is_conv = node.is("FusedConv", kDomain);
  std::vector<Node> parts;
  const bool splits = (is_conv || node.is("FusedGemm", kDomain)) && node.outputs.size() == 1;
  parts.push_back(std::move(node));
  if (!splits) return parts;

  const std::string name = parts[0].name;
  const std::string activation = parts[0].attributes.get("activation", "");
  const std::vector<float> parameters = activation_parameters(parts[0]);
  const ValueId addend = parts[0].input(3);
  set_operator(parts[0], {}, is_conv ? "Conv" : "Gemm", is_conv ? 11 : 13);
  if (parts[0].operator_inputs > 3) {
    parts[0].inputs.resize(3);
    parts[0].operator_inputs = 3;
  }
  if (addend != kAbsent) {
    Node& sum = follow(parts, graph, name + "/sum");
    set_operator(sum, {}, "Add", 14);
    sum.inputs.push_back(addend);
    sum.operator_inputs = 2;
  }
  if (!activation.empty())
    set_activation(follow(parts, graph, name + "/activation"), activation, parameters);
  return parts;
}

}  // namespace quern::onnx
