#pragma once

#include <cstdint>
#include <span>

#include "quern/dtype.h"

namespace quern::kernels {

/// Tokens in one page of keys and values.
inline constexpr std::int64_t kPageTokens = 64;

/// Head sizes are padded to this many elements within a page, so that no vector has a tail.
inline constexpr std::int64_t kHeadAlign = 16;

constexpr std::int64_t padded_head_dim(std::int64_t head_dim) {
  return (head_dim + kHeadAlign - 1) / kHeadAlign * kHeadAlign;
}

/// Elements of the keys (as of the values) of one page.
constexpr std::int64_t page_elements(std::int64_t kv_heads, std::int64_t head_dim) {
  return kv_heads * padded_head_dim(head_dim) * kPageTokens;
}

/// Keys and values of kPageTokens tokens of one sequence in one layer, in f32 or f16:
/// keys [kv_heads, padded_head_dim, kPageTokens] (transposed: scores then need no reduction),
/// values [kv_heads, kPageTokens, padded_head_dim]. Padding and unused tokens are zero.
struct KvPage {
  void* keys = nullptr;
  void* values = nullptr;
};

/// The sizes that queries, pages and results agree on. `kv_heads` divides `heads`.
struct HeadLayout {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  DType page_dtype = DType::f32;
};

/// Stores keys and values [count, kv_heads, head_dim], rows `stride` floats apart, of the tokens at
/// `position` and after it. Values beyond f16's range saturate.
void store_kv(const HeadLayout& layout, std::span<const KvPage> pages, std::int64_t position,
              std::int64_t count, const float* keys, const float* values, std::int64_t stride);

struct AttentionMask {
  bool causal = true;
  std::int64_t window = 0;  ///< a query sees the last `window` positions up to its own; 0: all
  float scale = 1.f;        ///< of the scores, before the softmax
  float softcap = 0.f;      ///< scores become softcap * tanh(score / softcap); 0: unchanged
};

/// `count` queries [count, heads, head_dim] at positions `position` on, over the first `context`
/// tokens of a sequence's pages. `dst` is like `queries`.
struct SequenceQueries {
  std::span<const KvPage> pages;
  std::int64_t context = 0;
  std::int64_t position = 0;
  std::int64_t count = 0;
  const float* queries = nullptr;
  float* dst = nullptr;
};

/// Scaled dot-product attention of each sequence by itself, by online softmax (Milakov and
/// Gimelshein, "Online normalizer calculation for softmax", 2018), in parallel over all sequences
/// and key heads. Query head h reads key head h / (heads / kv_heads). A query that sees nothing
/// gives zeros.
void attend(const HeadLayout& layout, std::span<const SequenceQueries> sequences,
            std::int64_t query_stride, std::int64_t dst_stride, const AttentionMask& mask);

}  // namespace quern::kernels
