#include "onnx/graph.h"

#include "core/error.h"

namespace quern::onnx {

void Attributes::erase(std::string_view name) {
  const auto found = values_.find(name);
  if (found != values_.end()) values_.erase(found);
}

const Attribute& Attributes::find_or_fail(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) fail(ErrorCode::corrupt_file, "attribute \"{}\" is missing", name);
  return found->second;
}

void Attributes::fail_type(std::string_view name) const {
  fail(ErrorCode::corrupt_file, "attribute \"{}\" has another type than the operator takes", name);
}

const Tensor* Graph::constant(ValueId id) const {
  if (id == kAbsent) return nullptr;
  const std::optional<Value>& found = value(id).constant;
  return found && found->is_tensor() ? &found->tensor() : nullptr;
}

std::optional<double> scalar_constant(const Graph& graph, ValueId id) {
  const Tensor* constant = graph.constant(id);
  if (constant == nullptr || constant->numel() != 1 || constant->dtype() == DType::string)
    return std::nullopt;
  return constant->cast(DType::f64).item<double>();
}

}  // namespace quern::onnx
