#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "quern/dtype.h"

namespace quern {

/// Half the distance from 1 to the next value: the largest relative error of one rounding.
inline double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return 0x1p-53;
    case DType::f32:
      return 0x1p-24;
    case DType::f16:
      return 0x1p-11;
    case DType::bf16:
      return 0x1p-8;
    default:
      return 0;
  }
}

/// The relative error that a result of `dtype` may have after summing `terms` terms, in f64 for f64
/// and else in f32: one rounding of the result, twice that where two roundings lie on each side of
/// a tie, a few of the functions involved, and a sum's, which grows with the square root of its
/// length as rounding errors cancel, for inputs of mixed sign.
inline double tolerance(DType dtype, std::int64_t terms = 1) {
  if (!is_floating(dtype)) return 0;
  constexpr double kFunctionRoundings = 16;
  const double computed = unit_roundoff(dtype == DType::f64 ? DType::f64 : DType::f32);
  const double length = static_cast<double>(std::max<std::int64_t>(terms, 1));
  return 2 * unit_roundoff(dtype) + computed * (kFunctionRoundings + 4 * std::sqrt(length));
}

/// The terms of a sum whose error is that of an exponential of sums of `terms` terms, the largest
/// of them of `size`: an exponential's relative error is its exponent's absolute one.
inline std::int64_t exponential_terms(std::int64_t terms, double size) {
  return static_cast<std::int64_t>(static_cast<double>(terms) * std::max(size * size, 1.0));
}

}  // namespace quern
