#include "kernels/matvec.h"

#include <algorithm>

#include "core/buffer.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/dense_matvec.h"
#include "kernels/quantised_matmul.h"
#include "kernels/quantised_matvec.h"

namespace quern::kernels {
namespace {

/// Activation rows from which it pays to decode a weight once for all of them.
constexpr std::int64_t kWideRows = 9;

/// Rows of a weight that are worth waking another thread for.
std::int64_t rows_per_range(std::int64_t bytes_per_row) {
  constexpr std::int64_t kBytes = 64 * 1024;
  return std::max<std::int64_t>(kBytes / std::max<std::int64_t>(bytes_per_row, 1), 4);
}

std::shared_ptr<const ActivationBlock> quantise_rows(const float* src, std::int64_t m,
                                                     std::int64_t k, std::int64_t src_stride) {
  const auto bytes = static_cast<std::size_t>(m * superblocks(k)) * sizeof(ActivationBlock);
  std::shared_ptr<std::byte> buffer = allocate_buffer(bytes);
  auto* blocks = reinterpret_cast<ActivationBlock*>(buffer.get());
  constexpr std::int64_t kValues = 64 * 1024;
  parallel_for(m, kValues / std::max<std::int64_t>(k, 1) + 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   quantise_row(src + i * src_stride, k, blocks + i, m);
                 }
               });
  return {std::move(buffer), blocks};
}

/// The layout that DenseProduct reads.
std::shared_ptr<const std::byte> pack_rows(const ActivationRows& src) {
  const std::int64_t chunks = (src.k() + kDenseChunk - 1) / kDenseChunk;
  const std::int64_t size = chunks * src.m() * kDenseChunk;
  std::shared_ptr<std::byte> buffer =
      allocate_buffer(static_cast<std::size_t>(size) * sizeof(float));
  auto* packed = reinterpret_cast<float*>(buffer.get());
  for (std::int64_t at = 0; at < src.k(); at += kDenseChunk) {
    const std::int64_t count = std::min<std::int64_t>(kDenseChunk, src.k() - at);
    for (std::int64_t i = 0; i < src.m(); ++i) {
      const float* values = src.src() + i * src.src_stride() + at;
      packed = std::copy_n(values, count, packed);
      packed = std::fill_n(packed, kDenseChunk - count, 0.f);
    }
  }
  return buffer;
}

}  // namespace

ActivationRows::ActivationRows(const float* src, std::int64_t m, std::int64_t k,
                               std::int64_t src_stride, Accuracy accuracy)
    : src_(src), m_(m), k_(k), src_stride_(src_stride) {
  if (accuracy == Accuracy::fast) blocks_ = quantise_rows(src, m, k, src_stride);
}

bool takes_many_rows(Encoding encoding) { return wide_quantised_kernel(encoding) != nullptr; }

void multiply_rows(const WeightRows& weight, const ActivationRows& src, float* dst,
                   std::int64_t dst_stride) {
  require(weight.k == src.k(), "multiply_rows: weight rows have {} values, activations {}",
          weight.k, src.k());
  const std::int64_t bytes = row_bytes(weight);
  if (src.blocks() != nullptr && src.m() >= kWideRows) {
    if (const QuantisedKernel wide = wide_quantised_kernel(weight.encoding)) {
      const QuantisedProduct product{weight.data, bytes, weight.k,  src.blocks(),
                                     src.m(),     dst,   dst_stride};
      return parallel_for((weight.n + kWideTileRows - 1) / kWideTileRows, 1,
                          [&](std::int64_t begin, std::int64_t end) {
                            wide(product, begin * kWideTileRows,
                                 std::min(end * kWideTileRows, weight.n));
                          });
    }
  }
  const QuantisedKernel kernel =
      src.blocks() != nullptr ? quantised_kernel(weight.encoding) : nullptr;
  if (kernel != nullptr) {
    const QuantisedProduct product{weight.data, bytes, weight.k,  src.blocks(),
                                   src.m(),     dst,   dst_stride};
    parallel_for(weight.n, rows_per_range(bytes),
                 [&](std::int64_t begin, std::int64_t end) { kernel(product, begin, end); });
  } else {
    const std::shared_ptr<const std::byte> packed = pack_rows(src);
    const DenseProduct product{weight, reinterpret_cast<const float*>(packed.get()), src.m(), dst,
                               dst_stride};
    parallel_for(weight.n, rows_per_range(bytes), [&](std::int64_t begin, std::int64_t end) {
      multiply_dense(product, begin, end);
    });
  }
}

void multiply_rows(const WeightRows& weight, const float* src, std::int64_t m,
                   std::int64_t src_stride, float* dst, std::int64_t dst_stride,
                   Accuracy accuracy) {
  const bool quantise = accuracy == Accuracy::fast && weight.encoding != Encoding::dense;
  const ActivationRows rows(src, m, weight.k, src_stride,
                            quantise ? Accuracy::fast : Accuracy::exact);
  multiply_rows(weight, rows, dst, dst_stride);
}

}  // namespace quern::kernels
