#pragma once

#include <algorithm>
#include <cstdint>

#include "core/error.h"
#include "core/format.h"
#include "core/parallel.h"
#include "ops/elements.h"
#include "quern/tensor.h"

/// Functions of the elements along an axis.
namespace quern::ops {

/// `axis` counted from the front. Throws: `invalid_argument` where x has no such axis.
inline int normal_axis(const char* operation, int axis, const Tensor& x) {
  require(axis >= -x.rank() && axis < x.rank(), "{}: axis {} is out of range for shape {}",
          operation, axis, x.shape());
  return axis < 0 ? axis + x.rank() : axis;
}

/// Calls `body(row)` for each of `count` rows of `size` elements, in parallel.
template <class Body>
void for_each_row(std::int64_t count, std::int64_t size, const Body& body) {
  const std::int64_t grain =
      std::max<std::int64_t>(kElementGrain / std::max<std::int64_t>(size, 1), 1);
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

}  // namespace quern::ops
