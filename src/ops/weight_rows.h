#pragma once

#include "kernels/weight_rows.h"
#include "quern/weights.h"

namespace quern::ops {

/// A weight [n, k] as kernels see it; views `weight`, which must outlive it.
kernels::WeightRows weight_rows(const Weight& weight);

}  // namespace quern::ops
