#include "onnx/passes/steps.h"

#include <algorithm>

#include "onnx/passes/pass.h"
#include "ops/nan.h"

namespace quern::onnx {
namespace {

constexpr std::size_t kMaxSteps = 4;
constexpr std::size_t kMaxOperands = 2;

}  // namespace

bool are_finite(const Graph& graph, ValueId weight, ValueId bias) {
  const Tensor* added = graph.constant(bias);
  return ops::is_finite(*graph.constant(weight)) && (added == nullptr || ops::is_finite(*added));
}

StepChain::StepChain(Rewriter& rewriter, Node& start) : rewriter_(rewriter), start_(&start) {
  const Node* last = &start;
  std::size_t operands = 0;
  while (links_.size() < kMaxSteps) {
    const ValueId value = last->outputs[0];
    Node* reader = rewriter.only_reader(value);
    if (reader == nullptr || reader->outputs.size() != 1) return;
    const auto link = link_of(*reader, value);
    if (!link || repeats(link->step)) return;
    operands += link->step.has_operand() ? 1 : 0;
    if (operands > kMaxOperands) return;
    links_.push_back(*link);
    followed_.push_back(reader);
    last = reader;
  }
}

bool StepChain::repeats(const ops::Step& step) const {
  return !step.has_operand() && std::ranges::any_of(links_, [&](const Link& link) {
    return !link.step.has_operand() && link.step.function().kind == step.function().kind;
  });
}

std::optional<StepChain::Link> StepChain::link_of(const Node& reader, ValueId value) const {
  if (reader.input(0) == value) {
    if (const auto function = activation_of(reader, rewriter_.graph())) return Link{*function};
  }
  if (!reader.is("Add") || reader.operator_inputs != 2) return std::nullopt;
  const ValueId other = reader.input(reader.input(0) == value ? 1 : 0);
  if (other == value || other == kAbsent) return std::nullopt;
  return Link{Binary::add, other};
}

void StepChain::fuse(Node made) {
  std::vector<ops::Step> steps;
  for (const Link& link : links_) {
    steps.push_back(link.step);
    if (link.operand != kAbsent) made.inputs.push_back(link.operand);
  }
  made.operator_inputs = made.inputs.size();
  made.attributes.set(kSteps, std::move(steps));
  std::vector<Node*> replaced = followed_;
  replaced.push_back(start_);
  Node& last = followed_.empty() ? *start_ : *followed_.back();
  rewriter_.substitute(last, std::move(made), replaced);
}

}  // namespace quern::onnx
