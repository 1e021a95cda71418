#pragma once

#include "quern/export.h"
#include "quern/tensor.h"

/// Values of one dtype as another's; `Tensor::cast` is the plain way.
namespace quern::ops {

/// Which way a number goes that lies between two of a narrow dtype.
enum class CastRounding {
  nearest_even,
  up,  ///< f8e8m0 only, as `down`
  down
};
struct CastOptions {
  /// Numbers beyond the largest of an 8-bit float become it, else infinity or NaN.
  bool saturate = true;
  CastRounding rounding = CastRounding::nearest_even;
  /// Integers of 4 and 2 bits take the low bits of numbers beyond their ends, else saturate.
  bool wrap = false;
};

/// Elements converted as `Tensor::cast` does, and strings too: numbers are written in the fewest
/// digits that read back the same ("1.5", "NaN", "INF"); and read as decimals, "nan" or "inf" in
/// any case. Throws: `invalid_argument` for a string that is no number.
QUERN_API Tensor cast(const Tensor& x, DType dtype, const CastOptions& options = {});
/// The same bits as another dtype of as many, strings apart: a view where `x` is contiguous.
QUERN_API Tensor bit_cast(const Tensor& x, DType dtype);

}  // namespace quern::ops
