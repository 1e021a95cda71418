#include "onnx/row_states.h"

#include <algorithm>

namespace quern::onnx {

const RowState* RowStates::find(ValueId id) const {
  static const RowState kFixed;
  if (id == kAbsent || graph_.value(id).constant) return &kFixed;
  const auto found = states_.find(id);
  return found == states_.end() ? nullptr : &found->second;
}

std::optional<std::vector<std::int64_t>> RowStates::dims(ValueId id) const {
  if (id == kAbsent) return {};
  if (const Tensor* tensor = graph_.constant(id))
    return std::vector<std::int64_t>(tensor->shape().begin(), tensor->shape().end());
  return graph_.value(id).dims;
}

std::optional<std::vector<std::int64_t>> RowStates::ints(ValueId id) const {
  if (id == kAbsent) return {};
  const Tensor* tensor = graph_.constant(id);
  if (tensor == nullptr || (tensor->dtype() != DType::i64 && tensor->dtype() != DType::i32))
    return {};
  const Tensor numbers = tensor->cast(DType::i64).contiguous();
  const auto values = numbers.data<std::int64_t>();
  return std::vector<std::int64_t>(values.begin(), values.end());
}

bool follow_rows(const Node& node, RowStates& states) {
  if (node.inputs.size() != node.operator_inputs) return false;  // subgraphs that use values
  bool is_fixed = true;
  bool has_sizes = false;
  for (const ValueId id : node.inputs) {
    const RowState* state = states.find(id);
    if (state == nullptr) return false;
    is_fixed &= state->is_fixed();
    has_sizes |= !state->sizes.empty();
  }
  for (const auto& [name, attribute] : node.attributes.all()) {
    if (std::holds_alternative<std::shared_ptr<const Graph>>(attribute)) return false;
  }
  const RowRule rule(node, states);
  if (is_fixed) return purity_of(node) != Purity::random && rule.gives(RowState::fixed());
  if (node.row == nullptr) return false;
  const RowsRule follow = has_sizes ? node.row->mapping.sizes : node.row->mapping.rows;
  return follow != nullptr && follow(rule);
}

}  // namespace quern::onnx
