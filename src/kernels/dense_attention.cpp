#include "kernels/dense_attention.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/buffer.h"
#include "core/parallel.h"
#include "core/runtime.h"
#include "kernels/dense_attention_scratch.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense_attention.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include "kernels/product-inl.h"
#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

/// c[m, n] = a[m, k] · b[k, n] in steps of rows of b that stay in the first cache.
void cached_product(std::int64_t m, const float* a, std::int64_t lda, const float* b,
                    std::int64_t ldb, std::int64_t k, std::int64_t n, float* c, std::int64_t ldc) {
  constexpr std::int64_t kDepth = 64;
  constexpr std::int64_t kColumns = 64;
  for (std::int64_t column = 0; column < n; column += kColumns) {
    const std::int64_t columns = std::min(kColumns, n - column);
    for (std::int64_t i = 0; i < k; i += kDepth) {
      product(m, a + i, lda, b + i * ldb + column, ldb, std::min(kDepth, k - i), columns,
              c + column, ldc, i > 0);
    }
  }
}

/// Makes weights of a row of scores; the factor that they lack to sum up to 1. A null mask adds
/// nothing.
float soften(float* scores, float scale, const float* mask, std::int64_t keys) {
  const hn::ScalableTag<float> d;
  const auto scales = hn::Set(d, scale);
  for_each_vector(keys, [&](std::int64_t i, auto lanes) {
    auto score = hn::Mul(hn::MaskedLoad(lanes, d, scores + i), scales);
    if (mask != nullptr) score = hn::Add(score, hn::MaskedLoad(lanes, d, mask + i));
    hn::BlendedStore(score, lanes, d, scores + i);
  });
  const float shift = softmax_shift(scores, keys);
  return std::isnan(shift) ? shift : 1.f / sum_of_exponentials(scores, keys, shift, scores);
}

/// dst[row][column] = a matrix's element, 0 from its columns up to `padded`.
void pack(const float* src, std::int64_t row_stride, std::int64_t column_stride, std::int64_t rows,
          std::int64_t columns, std::int64_t padded, float* HWY_RESTRICT dst) {
  constexpr std::int64_t kColumns = 16;  // a line of dst is written at once
  for (std::int64_t first = 0; first < columns; first += kColumns) {
    const std::int64_t count = std::min(kColumns, columns - first);
    for (std::int64_t row = 0; row < rows; ++row) {
      const float* from = src + row * row_stride + first * column_stride;
      float* to = dst + row * padded + first;
      if (column_stride == 1) {
        std::copy_n(from, count, to);
      } else {
        for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * column_stride];
      }
    }
  }
  if (columns == padded) return;
  for (std::int64_t row = 0; row < rows; ++row)
    std::fill(dst + row * padded + columns, dst + (row + 1) * padded, 0.f);
}

/// dst = src * factor, over `count` floats.
HWY_INLINE void scale_row(const float* src, std::int64_t count, float factor, float* dst) {
  const hn::ScalableTag<float> d;
  const auto factors = hn::Set(d, factor);
  for_each_vector(count, [&](std::int64_t i, auto lanes) {
    hn::BlendedStore(hn::Mul(hn::MaskedLoad(lanes, d, src + i), factors), lanes, d, dst + i);
  });
}

/// One thread's work on one head after another.
class HeadWorker {
 public:
  HeadWorker(const DenseAttention& attention, const DenseAttentionPlan& plan, float* scratch)
      : attention_(attention),
        plan_(plan),
        keys_(scratch),
        values_(scratch + plan.values_at),
        scores_(scratch + plan.scores_at),
        sums_(scratch + plan.sums_at),
        factors_(scratch + plan.factors_at) {}

  void take(std::int64_t batch, std::int64_t head) {
    batch_ = batch;
    head_ = head;
    const auto& k = attention_.k_transposed;
    pack(k.of(batch, head), k.strides[2], k.strides[3], attention_.dim, attention_.keys,
         plan_.padded_keys, keys_);
    const auto& v = attention_.v;
    pack(v.of(batch, head), v.strides[2], v.strides[3], attention_.keys, attention_.value_dim,
         plan_.padded_value_dim, values_);
  }

  void attend(std::int64_t first, std::int64_t count) {
    const std::int64_t keys = plan_.padded_keys;
    const std::int64_t columns = plan_.padded_value_dim;
    const auto& q = attention_.q;
    cached_product(count, q.of(batch_, head_) + first * q.strides[2], q.strides[2], keys_, keys,
                   attention_.dim, keys, scores_, keys);
    for (std::int64_t row = 0; row < count; ++row) factors_[row] = soften_row(first, row);
    cached_product(count, scores_, keys, values_, columns, attention_.keys, columns, sums_,
                   columns);
    const auto& dst = attention_.dst;
    float* rows = dst.of(batch_, head_) + first * dst.strides[2];
    for (std::int64_t row = 0; row < count; ++row)
      scale_row(sums_ + row * columns, attention_.value_dim, factors_[row],
                rows + row * dst.strides[2]);
  }

 private:
  float soften_row(std::int64_t first, std::int64_t row) const {
    const auto& mask = attention_.mask;
    const float* added = nullptr;
    if (mask.data != nullptr) added = mask.of(batch_, head_) + (first + row) * mask.strides[2];
    return soften(scores_ + row * plan_.padded_keys, attention_.scale, added, attention_.keys);
  }

  const DenseAttention& attention_;
  const DenseAttentionPlan& plan_;
  float *keys_, *values_, *scores_, *sums_, *factors_;
  std::int64_t batch_ = 0;
  std::int64_t head_ = 0;
};

/// Blocks [begin, end) of all heads' blocks.
void attend_blocks(const DenseAttention& attention, const DenseAttentionPlan& plan,
                   std::int64_t begin, std::int64_t end, float* scratch) {
  HeadWorker worker(attention, plan, scratch);
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t head = i / plan.blocks;
    const std::int64_t first = i % plan.blocks * plan.rows;
    if (i == begin || first == 0) worker.take(head / attention.heads, head % attention.heads);
    worker.attend(first, std::min(plan.rows, attention.queries - first));
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(attend_blocks);

}  // namespace

void attend_dense(const DenseAttention& attention) {
  settle_targets();
  const DenseAttentionPlan plan(attention);
  const std::int64_t blocks = attention.batch * attention.heads * plan.blocks;
  const std::int64_t workers = std::min<std::int64_t>(blocks, thread_count());
  const auto bytes = static_cast<std::size_t>(workers * plan.floats) * sizeof(float);
  const std::shared_ptr<std::byte> memory = allocate_buffer(bytes);
  auto* scratch = reinterpret_cast<float*>(memory.get());
  parallel_for(workers, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      HWY_DYNAMIC_DISPATCH(attend_blocks)
      (attention, plan, blocks * i / workers, blocks * (i + 1) / workers,
       scratch + i * plan.floats);
    }
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
