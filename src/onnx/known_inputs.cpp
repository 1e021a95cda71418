#include "onnx/known_inputs.h"

#include <algorithm>

namespace quern::onnx {

std::int64_t checked_size(std::int64_t size) {
  return size >= 0 && size <= kLargestSize ? size : kUnknown;
}

std::int64_t clamped_place(std::int64_t place, std::int64_t size) {
  return std::clamp<std::int64_t>(place < 0 ? place + size : place, 0, size);
}

std::optional<Dims> KnownInputs::dims(std::size_t index) const {
  const ValueId id = node_.input(index);
  if (id == kAbsent) return std::nullopt;
  if (const Tensor* constant = graph_.constant(id))
    return Dims(constant->shape().begin(), constant->shape().end());
  auto found = graph_.value(id).dims;
  if (found) std::ranges::transform(*found, found->begin(), checked_size);
  return found;
}

std::optional<Dims> KnownInputs::ints(std::size_t index) const {
  const Tensor* constant = graph_.constant(node_.input(index));
  const bool fits = constant != nullptr && constant->rank() <= 1 &&
                    (constant->dtype() == DType::i64 || constant->dtype() == DType::i32);
  if (!fits) return std::nullopt;
  const Tensor wide = constant->cast(DType::i64).contiguous();
  return Dims(wide.data<std::int64_t>().begin(), wide.data<std::int64_t>().end());
}

std::optional<Dims> KnownInputs::sizes(std::size_t index) const {
  const auto found = sizes_.find(node_.input(index));
  if (found == sizes_.end()) return ints(index);
  const Tensor dense = found->second.contiguous();
  return Dims(dense.data<std::int64_t>().begin(), dense.data<std::int64_t>().end());
}

std::int64_t element_count(const Dims& dims) {
  std::int64_t count = 1;
  if (std::ranges::count(dims, kUnknown) > 0) return kUnknown;
  for (const std::int64_t size : dims) {
    if (__builtin_mul_overflow(count, size, &count)) return kUnknown;
  }
  return checked_size(count);
}

}  // namespace quern::onnx
