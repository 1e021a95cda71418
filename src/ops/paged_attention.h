#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quern/tensor.h"

namespace quern::ops {

/// How one layer's keys and values lie in pages of `kTokens` tokens each.
struct KvLayout {
  static constexpr std::int64_t kTokens = 64;

  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  ///< divides `heads`
  std::int64_t head_dim = 0;
  DType dtype = DType::f32;  ///< f32 or f16

  /// Bytes of one page: its keys, then its values.
  std::int64_t page_bytes() const;
};

struct PagedAttentionSettings {
  std::int64_t window = 0;  ///< a token sees the last `window` tokens; 0: all
  float scale = 1.f;        ///< of the scores, before the softmax
};

/// Views of one sequence's part of a batch, f32: `count` rows of heads * head_dim (queries, dst) or
/// kv_heads * head_dim (keys, values) elements.
struct PagedTokens {
  std::int64_t count = 0;
  const float* queries = nullptr;
  const float* keys = nullptr;
  const float* values = nullptr;
  float* dst = nullptr;
};

/// Stores the keys and values of tokens that follow the `position` tokens that `pages` hold, and
/// attends causally over all that they hold then. `pages` must have room for them.
void paged_attention(const KvLayout& layout, std::span<std::byte* const> pages,
                     std::int64_t position, const PagedTokens& tokens,
                     const PagedAttentionSettings& settings);

}  // namespace quern::ops
