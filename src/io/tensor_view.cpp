#include "io/tensor_view.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace quern::io {

std::optional<std::int64_t> checked_numel(const Shape& shape) {
  constexpr std::int64_t kWidest = 8;
  std::int64_t bytes = kWidest;
  for (const std::int64_t dim : shape) {
    // Strides are products as if empty axes had one element, so these must fit as well.
    const bool fits =
        dim >= 0 && !__builtin_mul_overflow(bytes, std::max<std::int64_t>(dim, 1), &bytes);
    if (!fits) return std::nullopt;
  }
  return shape.numel();
}

Tensor tensor_view(std::span<const std::byte> bytes, DType dtype, const Shape& shape,
                   const std::shared_ptr<const void>& owner) {
  const std::size_t element = size_of(dtype);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % element == 0) {
    return Tensor::view_of(const_cast<std::byte*>(bytes.data()), bytes.size() / element, dtype,
                           shape, owner);
  }
  Tensor copy = Tensor::empty(shape, dtype);
  if (!bytes.empty()) std::memcpy(copy.mutable_raw(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace quern::io
