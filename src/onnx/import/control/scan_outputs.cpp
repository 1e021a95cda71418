#include "onnx/import/control/scan_outputs.h"

#include <algorithm>

#include "quern/ops.h"

namespace quern::onnx {
namespace {

/// The results of an iteration; none where it fails, as one that should not run may.
std::vector<Value> try_iteration(const Subgraph& body, std::span<const Value> arguments,
                                 const Inputs& captured) {
  try {
    return body.run_nested(arguments, captured);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

Tensor stack_iterations(std::span<const Tensor> items) {
  std::vector<Tensor> rows;
  for (const Tensor& item : items) rows.push_back(item.unsqueeze(0));
  return ops::concat(rows, 0);
}

std::vector<Tensor> stack_of_nothing(const Subgraph& body, std::size_t first,
                                     std::span<const Value> arguments, const Inputs& captured) {
  std::vector<Graph::Declared> wanted = body.graph().declared_outputs;
  wanted.resize(body.graph().outputs.size());
  wanted.erase(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(first));
  const auto is_known = [](const Graph::Declared& each) { return each.dtype && each.dims; };
  std::vector<Value> example;
  if (!std::ranges::all_of(wanted, is_known)) example = try_iteration(body, arguments, captured);
  std::vector<Tensor> stacks;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Graph::Declared& each = wanted[i];
    if (!example.empty() && example[first + i].is_tensor()) {
      const Tensor& item = example[first + i].tensor();
      if (!each.dtype) each.dtype = item.dtype();
      if (!each.dims) each.dims.emplace(item.shape().begin(), item.shape().end());
    }
    Shape shape{0};
    for (const std::int64_t dim : each.dims.value_or(std::vector<std::int64_t>{}))
      shape.push_back(std::max<std::int64_t>(dim, 0));
    stacks.push_back(Tensor::empty(shape, each.dtype.value_or(DType::f32)));
  }
  return stacks;
}

}  // namespace quern::onnx
