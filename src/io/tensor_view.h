#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "quern/tensor.h"

namespace quern::io {

/// Number of elements of a shape from a file; nothing where it, the strides or the bytes of the
/// widest element type would overflow.
std::optional<std::int64_t> checked_numel(const Shape& shape);

/// A tensor of the bytes of a file: a view of them, kept alive by `owner`, or a copy where they are
/// not aligned for `dtype`. There must be as many bytes as shape and dtype take.
Tensor tensor_view(std::span<const std::byte> bytes, DType dtype, const Shape& shape,
                   const std::shared_ptr<const void>& owner);

}  // namespace quern::io
