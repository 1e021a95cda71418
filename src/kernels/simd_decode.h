#pragma once

#include <cstddef>
#include <cstdint>

#include "quern/weights.h"

namespace quern::kernels {

/// Decodes `count` values, a whole number of blocks, as `quern::decode_blocks` does, bit for bit.
using DecodeBlocks = void (*)(Encoding encoding, const std::byte* blocks, float* values,
                              std::int64_t count);

/// The fastest decoder for this machine.
DecodeBlocks block_decoder(Encoding encoding);

/// dst[i] = src[i], rounded to nearest even.
void round_to_bf16(const float* src, BFloat16* dst, std::int64_t count);

/// dst[i] = src[i], which are f32, f16 or bf16.
void widen_to_f32(DType dtype, const std::byte* src, float* dst, std::int64_t count);

}  // namespace quern::kernels
