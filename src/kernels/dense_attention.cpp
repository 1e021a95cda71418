#include "kernels/dense_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/buffer.h"
#include "core/parallel.h"
#include "core/runtime.h"
#include "kernels/dense_attention_plan.h"
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

/// Scales and masks a row of scores. A null mask adds nothing.
HWY_INLINE void finish_scores(float* scores, float scale, const float* mask, std::int64_t keys) {
  const hn::ScalableTag<float> d;
  const auto scales = hn::Set(d, scale);
  for_each_vector(keys, [&](std::int64_t i, auto lanes) {
    auto score = hn::Mul(load(lanes, scores + i), scales);
    if (mask != nullptr) score = hn::Add(score, load(lanes, mask + i));
    store(score, lanes, scores + i);
  });
}

/// Whether no score is above -infinity, and none is NaN.
HWY_INLINE bool is_blind(const float* scores, std::int64_t keys) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  return std::all_of(scores, scores + keys, [](float score) { return score == kHidden; });
}

/// Makes weights of a row of finished scores; the factor that they lack to sum up to 1.
float soften(float* scores, std::int64_t keys, const DenseAttention& attention) {
  float shift = softmax_shift(scores, keys);
  if (std::isnan(shift)) {
    if (attention.blind == Blind::nan || !is_blind(scores, keys)) return shift;
    std::fill_n(scores, keys, 0.f);
    return 0.f;
  }
  if (attention.sink) shift = std::max(shift, 0.f);
  const float sum = sum_of_exponentials(scores, keys, shift, scores);
  return 1.f / (attention.sink ? sum + std::exp(-shift) : sum);
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
    store(hn::Mul(load(lanes, src + i), factors), lanes, dst + i);
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
    const std::int64_t kv_head = head / (attention_.heads / attention_.kv_heads);
    if (batch != batch_ || kv_head != kv_head_) {
      const auto& k = attention_.k_transposed;
      pack(k.of(batch, kv_head), k.strides[2], k.strides[3], attention_.dim, attention_.keys,
           plan_.padded_keys, keys_);
      const auto& v = attention_.v;
      pack(v.of(batch, kv_head), v.strides[2], v.strides[3], attention_.keys, attention_.value_dim,
           plan_.padded_value_dim, values_);
    }
    batch_ = batch;
    head_ = head;
    kv_head_ = kv_head;
  }

  void attend(std::int64_t first, std::int64_t count) {
    const KeyRange seen = seen_by(first, count);
    const auto& q = attention_.q;
    const std::int64_t padded_keys = plan_.padded_keys;
    const std::int64_t padded_end = DenseAttentionPlan::padded(seen.end);
    cached_product(count, q.of(batch_, head_) + first * q.strides[2], q.strides[2],
                   keys_ + seen.begin, padded_keys, attention_.dim, padded_end - seen.begin,
                   scores_ + seen.begin, padded_keys);
    for (std::int64_t row = 0; row < count; ++row)
      factors_[row] = weigh(first + row, scores_ + row * padded_keys, seen);
    const std::int64_t columns = plan_.padded_value_dim;
    if (seen.begin == seen.end) std::fill_n(sums_, count * columns, 0.f);
    cached_product(count, scores_ + seen.begin, padded_keys, values_ + seen.begin * columns,
                   columns, seen.end - seen.begin, columns, sums_, columns);
    const auto& dst = attention_.dst;
    float* rows = dst.of(batch_, head_) + first * dst.strides[2];
    for (std::int64_t row = 0; row < count; ++row)
      scale_row(sums_ + row * columns, attention_.value_dim, factors_[row],
                rows + row * dst.strides[2]);
  }

 private:
  KeyRange seen_by(std::int64_t query) const {
    if (attention_.seen == nullptr) return {0, attention_.keys};
    return attention_.seen[batch_ * attention_.queries + query];
  }

  /// What `count` queries see together, from the beginning of a vector on.
  KeyRange seen_by(std::int64_t first, std::int64_t count) const {
    KeyRange all{attention_.keys, 0};
    for (std::int64_t query = first; query < first + count; ++query) {
      const KeyRange one = seen_by(query);
      if (one.begin == one.end) continue;
      all = {std::min(all.begin, one.begin), std::max(all.end, one.end)};
    }
    if (all.begin >= all.end) return {0, 0};
    return {all.begin / DenseAttentionPlan::kAlign * DenseAttentionPlan::kAlign, all.end};
  }

  /// Makes weights of a query's scores, 0 for what only others of its block see.
  float weigh(std::int64_t query, float* scores, KeyRange block) const {
    const KeyRange seen = seen_by(query);
    const auto& mask = attention_.mask;
    const float* added = nullptr;
    if (mask.data != nullptr) added = mask.of(batch_, head_) + query * mask.strides[2] + seen.begin;
    const std::int64_t keys = seen.end - seen.begin;
    finish_scores(scores + seen.begin, attention_.scale, added, keys);
    const float factor = soften(scores + seen.begin, keys, attention_);
    if (seen.begin > block.begin) std::fill(scores + block.begin, scores + seen.begin, 0.f);
    if (seen.end < block.end) std::fill(scores + seen.end, scores + block.end, 0.f);
    return factor;
  }

  const DenseAttention& attention_;
  const DenseAttentionPlan& plan_;
  float *keys_, *values_, *scores_, *sums_, *factors_;
  std::int64_t batch_ = -1;
  std::int64_t head_ = -1;
  std::int64_t kv_head_ = -1;
};

/// Blocks [begin, end) of all heads' blocks.
void attend_blocks(const DenseAttention& attention, const DenseAttentionPlan& plan,
                   std::int64_t begin, std::int64_t end, float* scratch) {
  HeadWorker worker(attention, plan, scratch);
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t head = i / plan.blocks;
    const std::int64_t first = i % plan.blocks * plan.rows;
    worker.take(head / attention.heads, head % attention.heads);
    worker.attend(first, std::min(plan.rows, attention.queries - first));
  }
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(attend_blocks);

constexpr double kGrain = 1 << 20;  // products worth waking other threads

}  // namespace

void attend_dense(const DenseAttention& attention) {
  settle_targets();
  const DenseAttentionPlan plan(attention);
  const std::int64_t blocks = attention.batch * attention.heads * plan.blocks;
  const double products =
      static_cast<double>(blocks * plan.rows) *
      static_cast<double>(attention.keys * (attention.dim + attention.value_dim));
  const std::int64_t workers =
      std::min({blocks, std::int64_t{thread_count()}, products < kGrain ? 1 : blocks});
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
