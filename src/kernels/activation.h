#pragma once

#include <cstdint>

#include "core/activation.h"
#include "quern/dtype.h"

namespace quern::kernels {

/// Whether oneDNN is slower at the function, one of those that `activate` takes.
bool is_fast_at(ActivationFunction::Kind function);

/// dst = function(src) + addend, over `count` floats; null: nothing is added. dst may be src or
/// addend. NaN of NaN; a function is off by at most 1e-6 of its size plus 1e-7. `function` is one
/// that takes an exponential: gelu_erf, gelu_tanh, mish, sigmoid, silu or tanh.
void activate(ActivationFunction::Kind function, const float* src, const float* addend,
              std::int64_t count, float* dst);
/// The same in f32 for each element, rounded at the end.
void activate(ActivationFunction::Kind function, const BFloat16* src, const BFloat16* addend,
              std::int64_t count, BFloat16* dst);

/// dst = silu(gate) * up, over `count` floats; dst may be either source.
void silu_mul(const float* gate, const float* up, std::int64_t count, float* dst);

}  // namespace quern::kernels
