#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/weight_rows.h"

namespace quern::kernels {

/// Rows of activations `[m, k]` in the form that `multiply_rows` reads. Make them once for weights
/// that share an input. Immutable, so safe to share between threads.
class ActivationRows {
 public:
  /// Views `src`, whose row `i` starts at `src + i * src_stride`. With `Accuracy::fast` also rounds
  /// it to 8 bits, which only block-quantised weights use.
  ActivationRows(const float* src, std::int64_t m, std::int64_t k, std::int64_t src_stride,
                 Accuracy accuracy);

  const float* src() const noexcept { return src_; }
  std::int64_t src_stride() const noexcept { return src_stride_; }
  std::int64_t m() const noexcept { return m_; }
  std::int64_t k() const noexcept { return k_; }
  /// The rounded rows, `[superblocks(k), m]`; null with `Accuracy::exact`.
  const struct ActivationBlock* blocks() const noexcept { return blocks_.get(); }

 private:
  const float* src_;
  std::int64_t m_, k_, src_stride_;
  std::shared_ptr<const ActivationBlock> blocks_;
};

/// dst = src · weightᵀ, `[m, n]`: row `i` starts at `dst + i * dst_stride`. Meant for few rows, up
/// to 32 or so, unless `takes_many_rows`: it reads the weight once, at about the speed of memory,
/// and works from the stored blocks. Sums are f32. Runs in parallel over n. A row of `dst` depends
/// on the other rows of `src` only in that more than a few may add up in another order. Throws: as
/// `row_bytes`, and `invalid_argument` where `k` differs.
void multiply_rows(const WeightRows& weight, const ActivationRows& src, float* dst,
                   std::int64_t dst_stride);

/// The same for an input that one weight uses.
void multiply_rows(const WeightRows& weight, const float* src, std::int64_t m,
                   std::int64_t src_stride, float* dst, std::int64_t dst_stride, Accuracy accuracy);

/// Whether this machine multiplies many rounded rows by blocks of that encoding about as fast as it
/// multiplies bytes, so that there is no need to decode them for another kernel.
bool takes_many_rows(Encoding encoding);

}  // namespace quern::kernels
