#include "kernels/weight_rows.h"

#include <algorithm>

#include "core/block_format.h"
#include "core/error.h"
#include "core/format.h"
#include "kernels/activation_block.h"
#include "kernels/simd_decode.h"

namespace quern::kernels {
namespace {

/// Calls `store(values, i, j, count)` with runs of decoded values that begin at row i, value j.
template <class Store>
void decode_runs(const WeightRows& weight, std::int64_t begin, std::int64_t end,
                 const Store& store) {
  const std::int64_t bytes = row_bytes(weight);
  const bool dense = weight.encoding == Encoding::dense;
  const DecodeBlocks decode = dense ? nullptr : block_decoder(weight.encoding);
  const BlockFormat block = dense ? BlockFormat{} : block_format(weight.encoding);
  constexpr std::int64_t kRun = 4 * kSuperblock;
  alignas(64) float values[kRun];
  for (std::int64_t i = begin; i < end; ++i) {
    for (std::int64_t j = 0; j < weight.k; j += kRun) {
      const std::int64_t count = std::min(kRun, weight.k - j);
      if (dense) {
        const auto element = static_cast<std::int64_t>(size_of(weight.dtype));
        widen_to_f32(weight.dtype, weight.data + i * bytes + j * element, values, count);
      } else {
        decode(weight.encoding, weight.data + i * bytes + j / block.values * block.bytes, values,
               count);
      }
      store(values, i - begin, j, count);
    }
  }
}

}  // namespace

std::int64_t row_bytes(const WeightRows& weight) {
  if (weight.encoding != Encoding::dense) {
    const BlockFormat block = block_format(weight.encoding);
    require(weight.k % block.values == 0, "{} weight: rows of {} values are not whole blocks of {}",
            to_string(weight.encoding), weight.k, block.values);
    return weight.k / block.values * block.bytes;
  }
  require(weight.dtype == DType::f32 || weight.dtype == DType::f16 || weight.dtype == DType::bf16,
          "weight: expected f32, f16, bf16 or blocks, got {}", weight.dtype);
  return weight.k * static_cast<std::int64_t>(size_of(weight.dtype));
}

void decode_rows(const WeightRows& weight, std::int64_t begin, std::int64_t end, float* dst,
                 std::int64_t dst_stride) {
  decode_runs(weight, begin, end,
              [&](const float* values, std::int64_t i, std::int64_t j, std::int64_t count) {
                std::copy_n(values, count, dst + i * dst_stride + j);
              });
}

void decode_rows(const WeightRows& weight, std::int64_t begin, std::int64_t end, BFloat16* dst,
                 std::int64_t dst_stride) {
  decode_runs(weight, begin, end,
              [&](const float* values, std::int64_t i, std::int64_t j, std::int64_t count) {
                round_to_bf16(values, dst + i * dst_stride + j, count);
              });
}

}  // namespace quern::kernels
