#pragma once

#include <cstddef>
#include <cstdint>

#include "quern/dtype.h"
#include "quern/weights.h"

namespace quern::kernels {

/// A weight `[n, k]` as its file stores it: rows follow each other without gaps. Views the bytes,
/// and no kernel reads beyond the last of them.
struct WeightRows {
  Encoding encoding = Encoding::dense;
  DType dtype = DType::f32;  ///< of a dense weight: f32, f16 or bf16
  const std::byte* data = nullptr;
  std::int64_t n = 0;
  std::int64_t k = 0;  ///< a whole number of the encoding's blocks
};

/// Bytes of one row. Throws: `invalid_argument` where the encoding or dtype has no kernels or `k`
/// is not a whole number of blocks.
std::int64_t row_bytes(const WeightRows& weight);

/// Decodes rows [begin, end) to `dst`, row `begin + i` at `dst + i * dst_stride`: f32 bit for bit
/// as `decode_blocks` does, bf16 by rounding that to nearest even. Runs on the calling thread
/// alone, so that callers can decode panels in parallel. Throws: as `row_bytes`.
void decode_rows(const WeightRows& weight, std::int64_t begin, std::int64_t end, float* dst,
                 std::int64_t dst_stride);
void decode_rows(const WeightRows& weight, std::int64_t begin, std::int64_t end, BFloat16* dst,
                 std::int64_t dst_stride);

}  // namespace quern::kernels
