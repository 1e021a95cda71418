#pragma once

#include "core/error.h"
#include "core/format.h"
#include "quern/shape.h"

namespace quern {

/// Sizes for `rank` axes, of which one stands for all. Throws: `invalid_argument`.
inline Shape for_axes(const char* layer, const char* what, int rank, const Shape& sizes) {
  if (sizes.rank() == 1) return Shape::filled(rank, sizes[0]);
  require(sizes.rank() == 0 || sizes.rank() == rank, "{}: {} {} for {} spatial axes", layer, what,
          sizes, rank);
  return sizes;
}

}  // namespace quern
