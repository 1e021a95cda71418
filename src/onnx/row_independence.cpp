#include "onnx/row_independence.h"

#include <algorithm>

#include "onnx/passes/pass.h"
#include "onnx/row_states.h"

namespace quern::onnx {

bool has_independent_rows(const Graph& graph) {
  const bool takes_rows = std::ranges::all_of(graph.inputs, [&](ValueId id) {
    const auto& dims = graph.value(id).dims;
    return dims && !dims->empty() && dims->front() < 0;
  });
  if (graph.inputs.empty() || !takes_rows) return false;
  Graph inferred = graph;
  infer_shapes(inferred);
  RowStates states(inferred);
  for (const ValueId id : inferred.inputs) states.set(id, RowState::along(0));
  for (const Node& node : inferred.nodes) {
    if (!follow_rows(node, states)) return false;
  }
  return std::ranges::all_of(inferred.outputs, [&](ValueId id) {
    const RowState* state = states.find(id);
    return state != nullptr && state->axis == 0 && state->is_exact;
  });
}

}  // namespace quern::onnx
