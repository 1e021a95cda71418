#pragma once

#include "quern/tensor.h"

namespace quern {

/// What becomes of a value beyond the largest that a narrow dtype has.
enum class Overflow {
  saturate,   ///< the largest, infinity too
  propagate,  ///< infinity where the dtype has it, else NaN
};

/// Which way a value between two of a narrow dtype goes.
enum class Rounding { nearest_even, up, down };

/// The values of `x`, of a narrow dtype, in f32: exact.
Tensor widen(const Tensor& x);

/// The values of `x`, f32, in a narrow dtype. Floats round as said (`up` and `down` are for f8e8m0,
/// which has powers of two only); integers drop the fraction and saturate.
Tensor narrow(const Tensor& x, DType dtype, Overflow overflow,
              Rounding rounding = Rounding::nearest_even);

}  // namespace quern
