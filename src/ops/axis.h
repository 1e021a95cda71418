#pragma once

#include <algorithm>

#include "core/error.h"
#include "core/format.h"
#include "quern/shape.h"

namespace quern::ops {

/// `axis` counted from the front. Throws: `invalid_argument` where it is out of range.
inline int checked_axis(const char* operation, int axis, const Shape& shape) {
  require(axis >= -shape.rank() && axis < shape.rank(), "{}: axis {} is out of range for shape {}",
          operation, axis, shape);
  return axis < 0 ? axis + shape.rank() : axis;
}

/// Elements of one slice over axes [begin, end). Throws: `invalid_argument` past 2^63 - 1.
inline std::int64_t elements(const Shape& shape, int begin, int end) {
  return Shape(std::span(shape.begin() + begin, shape.begin() + end)).numel();
}

/// Slices of `elements_each` elements that are worth a thread.
inline std::int64_t grain_of(std::int64_t elements_each) {
  constexpr std::int64_t kElements = 1 << 14;
  return std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, elements_each));
}

}  // namespace quern::ops
