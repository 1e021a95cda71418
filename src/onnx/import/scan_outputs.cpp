#include "onnx/import/scan_outputs.h"

#include <algorithm>

#include "quern/ops.h"

namespace quern::onnx {

Tensor stack_iterations(std::span<const Tensor> items, const Graph& body, std::size_t output) {
  if (!items.empty()) {
    std::vector<Tensor> rows;
    for (const Tensor& item : items) rows.push_back(item.unsqueeze(0));
    return ops::concat(rows, 0);
  }
  Shape shape{0};
  const ValueId id = body.outputs[output];
  if (id == kAbsent) return Tensor::empty(shape);
  const GraphValue& declared = body.value(id);
  for (const std::int64_t dim : declared.dims.value_or(std::vector<std::int64_t>{}))
    shape.push_back(std::max<std::int64_t>(dim, 0));
  return Tensor::empty(shape, declared.dtype.value_or(DType::f32));
}

}  // namespace quern::onnx
