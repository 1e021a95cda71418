#pragma once

#include "backend/operation.h"
#include "quern/tensor.h"

namespace quern::ops {

/// The number of spatial axes of [batch, channels, ...]. Throws: `invalid_argument` unless 1 to 3.
int spatial_rank(const char* operation, const Shape& shape);

/// Options with their defaults filled in, each for `rank` spatial axes. Throws: `invalid_argument`
/// for another number of values or one that makes no sense.
backend::Window resolve_window(const char* operation, int rank, const Shape& strides,
                               const Shape& dilations, const Shape& pads_begin,
                               const Shape& pads_end);
Shape resolve_values(const char* operation, const char* what, int rank, const Shape& values,
                     std::int64_t otherwise, std::int64_t least);

/// Of one axis: for each place of the result and each element of the window, the place of the
/// source, or -1 beyond it. i64 [result, kernel]. Throws: `unsupported` for too many of them,
/// `out_of_memory`.
Tensor window_places(std::int64_t size, std::int64_t result, std::int64_t kernel,
                     const backend::Window& window, int axis);
/// The same of a transposed convolution.
Tensor transposed_places(std::int64_t size, std::int64_t result, std::int64_t kernel,
                         const backend::Window& window, int axis);

}  // namespace quern::ops
