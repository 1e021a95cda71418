#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "io/onnx_proto.h"
#include "onnx/operator.h"
#include "onnx/passes/pass.h"
#include "onnx/window.h"
#include "ops/nan.h"
#include "ops/step.h"

namespace quern::onnx {
namespace {

bool is_finite_constant(const Value& value) {
  if (!value.is_tensor() || value.tensor().dtype() == DType::string) return false;
  return !is_floating(value.tensor().dtype()) || ops::is_finite(value.tensor());
}

/// Whether all of a constant are further from 0 than float's smallest numbers.
bool may_divide(const Tensor* constant, double least) {
  if (constant == nullptr || constant->dtype() != DType::f32) return false;
  const Tensor dense = constant->contiguous();
  return std::ranges::all_of(dense.data<float>(),
                             [least](float value) { return static_cast<double>(value) > least; });
}

bool has_finite_attributes(const Node& node) {
  const auto is_finite = [](float number) { return std::isfinite(number); };
  return std::ranges::all_of(node.attributes.all(), [&](const auto& named) {
    const auto* number = std::get_if<float>(&named.second);
    const auto* list = std::get_if<std::vector<float>>(&named.second);
    return (number == nullptr || is_finite(*number)) &&
           (list == nullptr || std::ranges::all_of(*list, is_finite));
  });
}

/// Whether what a reduction makes one element of is known to have elements: of none, the largest is
/// infinite and the mean NaN.
bool reduces_elements(const Graph& graph, const Node& node) {
  const auto& dims = graph.value(node.input(0)).dims;
  if (!dims) return false;
  std::vector<std::int64_t> axes = node.attributes.ints("axes");
  if (node.has_input(1)) {
    const Tensor* given = graph.constant(node.input(1));
    if (given == nullptr || given->dtype() != DType::i64) return false;
    const Tensor dense = given->contiguous();
    axes.assign(dense.data<std::int64_t>().begin(), dense.data<std::int64_t>().end());
  }
  const auto rank = static_cast<std::int64_t>(dims->size());
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    const bool is_reduced = axes.empty() || std::ranges::count(axes, axis) > 0 ||
                            std::ranges::count(axes, axis - rank) > 0;
    if (is_reduced && (*dims)[static_cast<std::size_t>(axis)] <= 0) return false;
  }
  return true;
}

/// How many of a node's inputs must be finite for its outputs to be; nothing where that is not
/// enough.
std::optional<std::size_t> inputs_that_count(const Graph& graph, const Node& node) {
  constexpr double kSmallest = 1e-30;
  if (node.row == nullptr || node.row->finite == Finite::unknown) return std::nullopt;
  const bool divides =
      !node.attributes.contains("epsilon") || node.attributes.get("epsilon", 0.f) > 0.f;
  if (!divides) return std::nullopt;
  if (node.is("Cast") &&
      io::onnx::find_dtype(node.attributes.get("to", std::int64_t{0})) != DType::f32)
    return std::nullopt;
  if (!has_finite_attributes(node)) return std::nullopt;
  const bool pools = node.is("AveragePool") || node.is("MaxPool");
  if (pools && !WindowAttributes(node).meet_elements()) return std::nullopt;
  const bool reduces = node.is("ReduceMax") || node.is("ReduceMean") || node.is("ReduceMin");
  if (reduces && !reduces_elements(graph, node)) return std::nullopt;
  if (node.is("BatchNormalization") && !may_divide(graph.constant(node.input(4)), 0))
    return std::nullopt;
  if (node.is("Div") && !may_divide(graph.constant(node.input(1)), kSmallest)) return std::nullopt;
  return node.row->finite == Finite::of_first ? 1 : node.inputs.size();
}

/// Whether a fused product may do otherwise where its sources are known to be finite.
bool asks(const Node& node) {
  if (!node.attributes.contains(kSteps)) return false;
  return !node.is("Linear", "quern") ||
         !ops::keep_non_finite(node.attributes.get<std::vector<ops::Step>>(kSteps));
}

/// The values that something which asks is made of, by place. No other constant is looked at:
/// tables of embeddings are as large as the rest of a model.
std::vector<bool> values_that_matter(const Graph& graph) {
  std::vector<bool> matters(graph.values.size(), false);
  const auto does = [&](ValueId id) {
    return id != kAbsent && matters[static_cast<std::size_t>(id)];
  };
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!asks(*node) && !std::ranges::any_of(node->outputs, does)) continue;
    for (const ValueId id : node->inputs) {
      if (id != kAbsent) matters[static_cast<std::size_t>(id)] = true;
    }
  }
  return matters;
}

}  // namespace

void note_finite_sources(Graph& graph) {
  const std::vector<bool> matters = values_that_matter(graph);
  std::vector<bool> finite(graph.values.size(), false);
  const auto is_finite = [&](ValueId id) {
    return id == kAbsent || finite[static_cast<std::size_t>(id)];
  };
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (matters[i] && graph.values[i].constant)
      finite[i] = is_finite_constant(*graph.values[i].constant);
  }
  for (const ValueId id : graph.inputs) finite[static_cast<std::size_t>(id)] = true;
  for (Node& node : graph.nodes) {
    const std::size_t count = inputs_that_count(graph, node).value_or(0);
    if (count == 0 || node.inputs.size() < count ||
        !std::ranges::all_of(std::span(node.inputs).first(count), is_finite))
      continue;
    if (asks(node)) node.attributes.set(kFiniteSources, std::int64_t{1});
    for (const ValueId id : node.outputs) {
      if (id != kAbsent) finite[static_cast<std::size_t>(id)] = true;
    }
  }
}

}  // namespace quern::onnx
