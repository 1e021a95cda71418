#pragma once

#include <cstdint>

#include "quern/dtype.h"

namespace quern::kernels {

/// Functions of one float that take an exponential, which oneDNN's post-ops are slow at.
enum class Activation { gelu_erf, gelu_tanh, mish, sigmoid, silu, tanh };

/// dst = function(src) + addend, over `count` floats; null: nothing is added. dst may be src or
/// addend. NaN of NaN; a function is off by at most 1e-6 of its size plus 1e-7.
void activate(Activation function, const float* src, const float* addend, std::int64_t count,
              float* dst);
/// The same in f32 for each element, rounded at the end.
void activate(Activation function, const BFloat16* src, const BFloat16* addend, std::int64_t count,
              BFloat16* dst);

/// dst = silu(gate) * up, over `count` floats; dst may be either source.
void silu_mul(const float* gate, const float* up, std::int64_t count, float* dst);

}  // namespace quern::kernels
