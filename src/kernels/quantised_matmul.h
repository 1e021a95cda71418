#pragma once

#include "kernels/quantised_matvec.h"

namespace quern::kernels {

/// Weight rows that the kernel below takes at once: ranges are best multiples of it.
inline constexpr std::int64_t kWideTileRows = 32;

/// The kernel for products of more than a few activation rows, which decodes each weight once for
/// all of them and keeps a weight row in each 32-bit lane. Sums are the same for any number of
/// activation rows, but not in the order of `quantised_kernel`. Null where this machine, which must
/// have dot products of bytes in vectors of 64, or the encoding has none.
QuantisedKernel wide_quantised_kernel(Encoding encoding);

}  // namespace quern::kernels
