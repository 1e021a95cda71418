#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "kernels/attention_tile.h"
#include "kernels/simd.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include <hwy/foreach_target.h>  // compiles what follows once for each target

#include <hwy/highway.h>

#include "kernels/exponential-inl.h"
#include "kernels/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quern::kernels::HWY_NAMESPACE {

/// Turns a row of scores into weights, given what it saw of earlier pages; scales its sums to
/// match.
HWY_INLINE void soften_row(AttentionTile& tile, std::int64_t row, std::int64_t page_start,
                           float softcap) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  float* scores = tile.scores + row * kPageTokens;
  const auto at = static_cast<std::size_t>(row);
  const std::int64_t begin =
      std::clamp<std::int64_t>(tile.first_seen[at] - page_start, 0, kPageTokens);
  const std::int64_t end =
      std::clamp<std::int64_t>(tile.last_seen[at] - page_start, begin, kPageTokens);
  if (softcap > 0.f) {
    for (std::int64_t i = begin; i < end; ++i) scores[i] = softcap * std::tanh(scores[i] / softcap);
  }
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  std::fill(scores, scores + begin, kHidden);
  std::fill(scores + end, scores + kPageTokens, kHidden);
  if (begin == end) {
    std::fill(scores, scores + kPageTokens, 0.f);
    return;
  }
  auto largest = hn::Set(d, tile.maximum[at]);
  for (std::int64_t i = 0; i < kPageTokens; i += lanes)
    largest = hn::Max(largest, hn::Load(d, scores + i));
  const float maximum = hn::GetLane(hn::MaxOfLanes(d, largest));
  const auto shift = hn::Set(d, maximum);
  const auto hidden = hn::Set(d, kHidden);
  auto total = hn::Zero(d);
  for (std::int64_t i = 0; i < kPageTokens; i += lanes) {
    const auto score = hn::Load(d, scores + i);
    const auto weight =
        hn::IfThenZeroElse(hn::Eq(score, hidden), exponential(hn::Sub(score, shift)));
    hn::Store(weight, d, scores + i);
    total = hn::Add(total, weight);
  }
  const float before = tile.maximum[at];
  const float scale = before == kHidden ? 0.f : std::exp(before - maximum);
  tile.total[at] = tile.total[at] * scale + hn::GetLane(hn::SumOfLanes(d, total));
  tile.maximum[at] = maximum;
  if (scale == 1.f) return;
  float* sums = tile.sums + row * tile.dim;
  for (std::int64_t i = 0; i < tile.dim; i += lanes) {
    hn::Store(hn::Mul(hn::Load(d, sums + i), hn::Set(d, scale)), d, sums + i);
  }
}

template <class T>
void attend_tile(const HeadLayout& layout, std::span<const KvPage> pages, std::int64_t kv_head,
                 float softcap, AttentionTile& tile) {
  const std::int64_t dim = tile.dim;
  const std::int64_t first = *std::min_element(tile.first_seen.begin(), tile.first_seen.end());
  const std::int64_t last = *std::max_element(tile.last_seen.begin(), tile.last_seen.end());
  for (std::int64_t page = first / kPageTokens; page * kPageTokens < last; ++page) {
    const KvPage& stored = pages[static_cast<std::size_t>(page)];
    const T* keys = static_cast<const T*>(stored.keys) + kv_head * dim * kPageTokens;
    const T* values = static_cast<const T*>(stored.values) + kv_head * dim * kPageTokens;
    product(tile.rows, tile.queries, dim, keys, kPageTokens, layout.head_dim, kPageTokens,
            tile.scores, kPageTokens, false);
    for (std::int64_t row = 0; row < tile.rows; ++row)
      soften_row(tile, row, page * kPageTokens, softcap);
    const std::int64_t seen = std::min(kPageTokens, last - page * kPageTokens);
    product(tile.rows, tile.scores, kPageTokens, values, dim, seen, dim, tile.sums, dim, true);
  }
}

void attend_tile_any(const HeadLayout& layout, std::span<const KvPage> pages, std::int64_t kv_head,
                     float softcap, AttentionTile& tile) {
  if (layout.page_dtype == DType::f16)
    return attend_tile<hwy::float16_t>(layout, pages, kv_head, softcap, tile);
  attend_tile<float>(layout, pages, kv_head, softcap, tile);
}

}  // namespace quern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace quern::kernels {
namespace {

HWY_EXPORT(attend_tile_any);

/// Calls `store(element, value)` for one head of one token, in its place within a page.
template <class T>
void store_token(const HeadLayout& layout, const KvPage& page, std::int64_t slot, const float* keys,
                 const float* values) {
  const std::int64_t dim = padded_head_dim(layout.head_dim);
  const auto convert = [](float value) {
    if constexpr (std::is_same_v<T, Float16>) {
      constexpr float kLargest = 65504.f;
      return Float16(std::clamp(value, -kLargest, kLargest));
    } else {
      return value;
    }
  };
  for (std::int64_t head = 0; head < layout.kv_heads; ++head) {
    T* key = static_cast<T*>(page.keys) + head * dim * kPageTokens + slot;
    T* value = static_cast<T*>(page.values) + (head * kPageTokens + slot) * dim;
    for (std::int64_t i = 0; i < layout.head_dim; ++i) {
      key[i * kPageTokens] = convert(keys[head * layout.head_dim + i]);
      value[i] = convert(values[head * layout.head_dim + i]);
    }
  }
}

/// Copies the scaled queries of one tile, notes what each row may see, attends, and divides.
void run_tile(const HeadLayout& layout, const SequenceQueries& sequence, std::int64_t kv_head,
              std::int64_t first_query, std::int64_t tile_queries, std::int64_t query_stride,
              std::int64_t dst_stride, const AttentionMask& mask, AttentionTile& tile) {
  const std::int64_t group = layout.heads / layout.kv_heads;
  tile.reset(tile_queries * group);
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    const std::int64_t token = first_query + row / group;
    const std::int64_t head = kv_head * group + row % group;
    const float* query = sequence.queries + token * query_stride + head * layout.head_dim;
    for (std::int64_t i = 0; i < layout.head_dim; ++i)
      tile.queries[row * tile.dim + i] = query[i] * mask.scale;
    const auto at = static_cast<std::size_t>(row);
    const std::int64_t own = sequence.position + token;
    tile.last_seen[at] = mask.causal ? std::min(own + 1, sequence.context) : sequence.context;
    tile.first_seen[at] = mask.window > 0 ? std::max<std::int64_t>(own + 1 - mask.window, 0) : 0;
  }
  HWY_DYNAMIC_DISPATCH(attend_tile_any)(layout, sequence.pages, kv_head, mask.softcap, tile);
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    const std::int64_t head = kv_head * group + row % group;
    float* result =
        sequence.dst + (first_query + row / group) * dst_stride + head * layout.head_dim;
    const float total = tile.total[static_cast<std::size_t>(row)];
    const float scale = total > 0.f ? 1.f / total : 0.f;
    for (std::int64_t i = 0; i < layout.head_dim; ++i)
      result[i] = tile.sums[row * tile.dim + i] * scale;
  }
}

}  // namespace

AttentionTile::AttentionTile(std::int64_t capacity, std::int64_t padded_dim) : dim(padded_dim) {
  constexpr std::size_t kVectorBytes = 64;
  memory_.resize(static_cast<std::size_t>(capacity * (2 * dim + kPageTokens)) +
                 kVectorBytes / sizeof(float));
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  queries = memory_.data() + (kVectorBytes - address % kVectorBytes) % kVectorBytes / sizeof(float);
  sums = queries + capacity * dim;
  scores = sums + capacity * dim;
}

void AttentionTile::reset(std::int64_t count) {
  rows = count;
  const auto size = static_cast<std::size_t>(count);
  std::fill_n(sums, count * dim, 0.f);
  maximum.assign(size, -std::numeric_limits<float>::infinity());
  total.assign(size, 0.f);
  first_seen.assign(size, 0);
  last_seen.assign(size, 0);
}

void store_kv(const HeadLayout& layout, std::span<const KvPage> pages, std::int64_t position,
              std::int64_t count, const float* keys, const float* values, std::int64_t stride) {
  for (std::int64_t token = 0; token < count; ++token) {
    const std::int64_t at = position + token;
    const KvPage& page = pages[static_cast<std::size_t>(at / kPageTokens)];
    const auto store = layout.page_dtype == DType::f16 ? store_token<Float16> : store_token<float>;
    store(layout, page, at % kPageTokens, keys + token * stride, values + token * stride);
  }
}

void attend(const HeadLayout& layout, std::span<const SequenceQueries> sequences,
            std::int64_t query_stride, std::int64_t dst_stride, const AttentionMask& mask) {
  settle_targets();
  const std::int64_t group = layout.heads / layout.kv_heads;
  const std::int64_t most_queries = std::max<std::int64_t>(AttentionTile::kUsualRows / group, 1);
  struct Tile {
    const SequenceQueries* sequence;
    std::int64_t first_query, queries;
  };
  std::vector<Tile> tiles;
  std::int64_t largest = 0;
  for (const SequenceQueries& sequence : sequences) {
    for (std::int64_t first = 0; first < sequence.count; first += most_queries) {
      tiles.push_back({&sequence, first, std::min(most_queries, sequence.count - first)});
      largest = std::max(largest, tiles.back().queries);
    }
  }
  parallel_for(layout.kv_heads * std::ssize(tiles), 1, [&](std::int64_t begin, std::int64_t end) {
    AttentionTile state(largest * group, padded_head_dim(layout.head_dim));
    for (std::int64_t i = begin; i < end; ++i) {
      // Late tiles see more: neighbours in this order are the heads of one tile, of equal cost.
      const Tile& tile = tiles[static_cast<std::size_t>(i / layout.kv_heads)];
      run_tile(layout, *tile.sequence, i % layout.kv_heads, tile.first_query, tile.queries,
               query_stride, dst_stride, mask, state);
    }
  });
}

}  // namespace quern::kernels

#endif  // HWY_ONCE
