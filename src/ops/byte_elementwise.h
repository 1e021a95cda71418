#pragma once

#include <functional>
#include <span>

#include "quern/ops/quantization.h"

namespace quern::ops {

/// a + b and a * b of i8 or u8, which broadcast, stored as `y`; scales and zero points of one
/// element. The result lies as a does where both lie alike, and is contiguous else.
Tensor add_bytes(const Quantized& a, const Quantized& b, const Quantization& y);
Tensor multiply_bytes(const Quantized& a, const Quantized& b, const Quantization& y);

/// The parts one after another along `axis`, stored as `y`; scales and zero points of one element.
/// Channels that lie last stay so.
Tensor concat_bytes(std::span<const Quantized> parts, int axis, const Quantization& y);

/// function(x), which is of each element alone, stored as `y`: computed once for each of the 256
/// values that x can have. The result lies as x does.
Tensor map_bytes(const Quantized& x, const std::function<Tensor(const Tensor&)>& function,
                 const Quantization& y);

}  // namespace quern::ops
