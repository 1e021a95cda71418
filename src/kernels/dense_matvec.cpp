#include "kernels/dense_matvec.h"

#include <algorithm>
#include <cstring>

#include "core/block_format.h"
#include "core/error.h"
#include "kernels/activation_block.h"
#include "kernels/prefetch.h"
#include "kernels/simd.h"
#include "kernels/simd_decode.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense_matvec.cpp"
#include <hwy/foreach_target.h>

#include "kernels/load_f32-inl.h"

QUERN_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

inline constexpr int kMaxColumns = 16;
/// Weight rows that several columns share a load of activations for. One column takes rows one by
/// one: memory is read fastest from the first byte to the last.
inline constexpr int kTileRows = 4;

/// sums[column][row] += the products of a chunk of each row. `src` points to the chunk's
/// activations, the next column's follow.
template <class T, int kRows>
HWY_INLINE void add_chunk(const T* const (&rows)[kRows], const float* src, int columns,
                          VF32* sums) {
  constexpr int kVectors = HWY_CAP_GE512 ? 4 : 2;  // of each row are kept for all columns
#pragma GCC unroll 16
  for (int at = 0; at < kDenseChunk; at += kVectors * kFloats) {
    VF32 weights[kRows][kVectors];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) weights[r][v] = load_f32(rows[r] + at + v * kFloats);
    }
    for (int column = 0; column < columns; ++column) {
      const float* a = src + column * kDenseChunk + at;
      VF32 totals[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) totals[r] = sums[column * kRows + r];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const VF32 activations = hn::Load(DF32(), a + v * kFloats);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          totals[r] = hn::MulAdd(weights[r][v], activations, totals[r]);
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sums[column * kRows + r] = totals[r];
    }
  }
}

/// Rows as dense elements of type T.
template <class T>
struct DenseRows {
  const DenseProduct& product;

  template <int kRows>
  HWY_INLINE void multiply(const std::int64_t (&rows)[kRows], const float* src, int columns,
                           VF32* sums) const {
    const std::int64_t k = product.weight.k;
    const std::int64_t whole = k / kDenseChunk;
    const std::int64_t src_stride = product.m * kDenseChunk;
    const T* at[kRows];
    for (int r = 0; r < kRows; ++r) {
      at[r] = reinterpret_cast<const T*>(product.weight.data) + rows[r] * k;
    }
    constexpr auto kChunkBytes = static_cast<std::int64_t>(kDenseChunk * sizeof(T));
    const auto* next_tile = reinterpret_cast<const std::uint8_t*>(at[0] + kRows * k);
    for (std::int64_t i = 0; i < whole; ++i) {
      if constexpr (kRows > 1) prefetch(next_tile + i * kRows * kChunkBytes, kRows * kChunkBytes);
      const T* chunks[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) chunks[r] = at[r] + i * kDenseChunk;
      add_chunk(chunks, src + i * src_stride, columns, sums);
    }
    if (const std::int64_t rest = k % kDenseChunk; rest > 0) {
      alignas(64) std::byte padded[kRows][kDenseChunk * sizeof(T)] = {};
      const T* chunks[kRows];
      for (int r = 0; r < kRows; ++r) {
        std::memcpy(padded[r], at[r] + whole * kDenseChunk,
                    static_cast<std::size_t>(rest) * sizeof(T));
        chunks[r] = reinterpret_cast<const T*>(padded[r]);
      }
      add_chunk(chunks, src + whole * src_stride, columns, sums);
    }
  }
};

/// Rows as blocks, decoded to f32 a superblock at a time.
struct DecodedRows {
  const DenseProduct& product;
  DecodeBlocks decode;
  BlockFormat block;

  template <int kRows>
  HWY_INLINE void multiply(const std::int64_t (&rows)[kRows], const float* src, int columns,
                           VF32* sums) const {
    const std::int64_t k = product.weight.k;
    const std::int64_t row_bytes = k / block.values * block.bytes;
    alignas(64) float decoded[kRows][kSuperblock];
    for (std::int64_t i = 0; i < k; i += kSuperblock) {
      const std::int64_t count = std::min<std::int64_t>(kSuperblock, k - i);
      const std::int64_t padded = (count + kDenseChunk - 1) / kDenseChunk * kDenseChunk;
      for (int r = 0; r < kRows; ++r) {
        const std::byte* blocks = product.weight.data + rows[r] * row_bytes;
        decode(product.weight.encoding, blocks + i / block.values * block.bytes, decoded[r], count);
        std::fill(decoded[r] + count, decoded[r] + padded, 0.f);
      }
      for (std::int64_t at = 0; at < padded; at += kDenseChunk) {
        const float* chunks[kRows];
        for (int r = 0; r < kRows; ++r) chunks[r] = decoded[r] + at;
        add_chunk(chunks, src + (i + at) * product.m, columns, sums);
      }
    }
  }
};

template <int kRows, int kColumns, class Rows>
void multiply_tiles(const DenseProduct& product, const Rows& weight, std::int64_t begin,
                    std::int64_t end) {
  VF32 sums[kRows * kColumns];
  for (std::int64_t row = begin; row < end; row += kRows) {
    std::int64_t rows[kRows];
    for (int r = 0; r < kRows; ++r) rows[r] = std::min(row + r, end - 1);
    for (std::int64_t column = 0; column < product.m; column += kColumns) {
      const int columns =
          kColumns == 1 ? 1
                        : static_cast<int>(std::min<std::int64_t>(kColumns, product.m - column));
      for (int i = 0; i < columns * kRows; ++i) sums[i] = hn::Zero(DF32());
      weight.multiply(rows, product.src + column * kDenseChunk, columns, sums);
      for (int i = 0; i < columns; ++i) {
        float* dst = product.dst + (column + i) * product.dst_stride + row;
        for (int r = 0; r < kRows && row + r < end; ++r) {
          dst[r] = hn::GetLane(hn::SumOfLanes(DF32(), sums[i * kRows + r]));
        }
      }
    }
  }
}

template <class Rows>
void multiply_kind(const DenseProduct& product, const Rows& weight, std::int64_t begin,
                   std::int64_t end) {
  if (product.m == 1) return multiply_tiles<1, 1>(product, weight, begin, end);
  multiply_tiles<kTileRows, kMaxColumns>(product, weight, begin, end);
}

void multiply_range(const DenseProduct& product, DecodeBlocks decode, std::int64_t begin,
                    std::int64_t end) {
  const WeightRows& weight = product.weight;
  if (weight.encoding != Encoding::dense) {
    const DecodedRows rows{product, decode, block_format(weight.encoding)};
    multiply_kind(product, rows, begin, end);
  } else if (weight.dtype == DType::f32) {
    multiply_kind(product, DenseRows<float>{product}, begin, end);
  } else if (weight.dtype == DType::bf16) {
    multiply_kind(product, DenseRows<BFloat16>{product}, begin, end);
  } else {
    multiply_kind(product, DenseRows<Float16>{product}, begin, end);
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quern::kernels {

HWY_EXPORT(multiply_range);

void multiply_dense(const DenseProduct& product, std::int64_t begin, std::int64_t end) {
  settle_targets();
  const Encoding encoding = product.weight.encoding;
  const DecodeBlocks decode = encoding == Encoding::dense ? nullptr : block_decoder(encoding);
  HWY_DYNAMIC_DISPATCH(multiply_range)(product, decode, begin, end);
}

}  // namespace quern::kernels
#endif
