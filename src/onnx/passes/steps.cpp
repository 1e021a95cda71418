#include "onnx/passes/steps.h"

#include <algorithm>
#include <limits>

#include "ops/nan.h"

namespace quern::onnx {
namespace {

constexpr std::size_t kMaxSteps = 4;
constexpr std::size_t kMaxOperands = 2;

// Operators that are a step without numbers of their own.
constexpr std::pair<std::string_view, std::string_view> kPlain[] = {{"Relu", "relu"},
                                                                    {"Sigmoid", "sigmoid"},
                                                                    {"Tanh", "tanh"},
                                                                    {"Mish", "mish"},
                                                                    {"HardSwish", "hardswish"}};

}  // namespace

bool are_finite(const Graph& graph, ValueId weight, ValueId bias) {
  const Tensor* added = graph.constant(bias);
  return ops::is_finite(*graph.constant(weight)) && (added == nullptr || ops::is_finite(*added));
}

StepChain::StepChain(Rewriter& rewriter, Node& start) : rewriter_(rewriter), start_(&start) {
  const Node* last = &start;
  std::size_t operands = 0;
  while (steps_.size() < kMaxSteps) {
    const ValueId value = last->outputs[0];
    Node* reader = rewriter.only_reader(value);
    if (reader == nullptr || reader->outputs.size() != 1) return;
    const auto step = step_of(*reader, value);
    if (!step || repeats(*step)) return;
    operands += step->operand != kAbsent ? 1 : 0;
    if (operands > kMaxOperands) return;
    steps_.push_back(*step);
    followed_.push_back(reader);
    last = reader;
  }
}

bool StepChain::repeats(const Step& step) const {
  return step.operand == kAbsent && std::ranges::count(steps_, step.name, &Step::name) > 0;
}

std::optional<StepChain::Step> StepChain::step_of(const Node& reader, ValueId value) const {
  for (const auto& [op_type, step] : kPlain) {
    if (reader.is(op_type)) return Step{std::string(step)};
  }
  const Attributes& attributes = reader.attributes;
  if (reader.is("LeakyRelu")) return Step{"relu", attributes.get("alpha", 0.01f), 0.f};
  if (reader.is("Elu")) return Step{"elu", attributes.get("alpha", 1.f), 0.f};
  if (reader.is("Silu", "quern")) return Step{"silu"};
  if (reader.is("Gelu") || reader.is("Gelu", "com.microsoft"))
    return Step{attributes.get("approximate", "none") == "tanh" ? "gelu_tanh" : "gelu_erf"};
  const Graph& graph = rewriter_.graph();
  if (reader.is("Clip") && reader.input(0) == value) {
    const bool as_inputs = reader.opset >= 11;
    const auto bound = [&](std::size_t index, const char* name, double fallback) {
      if (!as_inputs) {
        return std::optional<double>(attributes.contains(name) ? attributes.get<float>(name)
                                                               : fallback);
      }
      return reader.has_input(index) ? scalar_constant(graph, reader.input(index)) : fallback;
    };
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const auto low = bound(1, "min", -kInfinity);
    const auto high = bound(2, "max", kInfinity);
    if (!low || !high || !(*low <= *high)) return std::nullopt;
    return Step{"clip", static_cast<float>(*low), static_cast<float>(*high)};
  }
  const bool is_add = reader.is("Add");
  if (is_add && reader.operator_inputs == 2) {
    const ValueId other = reader.input(0) == value ? reader.input(1) : reader.input(0);
    if (other != value && other != kAbsent) return Step{"add", 0.f, 0.f, other};
  }
  return std::nullopt;
}

void StepChain::fuse(Node made) {
  std::vector<std::string> names;
  std::vector<float> alphas;
  std::vector<float> betas;
  for (const Step& step : steps_) {
    names.push_back(step.name);
    alphas.push_back(step.alpha);
    betas.push_back(step.beta);
    if (step.operand != kAbsent) made.inputs.push_back(step.operand);
  }
  made.operator_inputs = made.inputs.size();
  made.attributes.set("steps", std::move(names));
  made.attributes.set("alpha", std::move(alphas));
  made.attributes.set("beta", std::move(betas));
  std::vector<Node*> replaced = followed_;
  replaced.push_back(start_);
  Node& last = followed_.empty() ? *start_ : *followed_.back();
  rewriter_.substitute(last, std::move(made), replaced);
}

}  // namespace quern::onnx
