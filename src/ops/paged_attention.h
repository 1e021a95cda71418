#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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
  float softcap = 0.f;      ///< scores become softcap * tanh(score / softcap); 0: unchanged
};

/// One sequence's part of a batch, views of f32: `count` rows of heads * head_dim (queries, dst) or
/// kv_heads * head_dim (keys, values) elements, of tokens that follow the `position` tokens that
/// `pages` hold. `pages` must have room for them.
struct PagedTokens {
  std::vector<std::byte*> pages;
  std::int64_t position = 0;
  std::int64_t count = 0;
  const float* queries = nullptr;
  const float* keys = nullptr;
  const float* values = nullptr;
  float* dst = nullptr;
};

/// Stores the keys and values of each part, and attends causally over all that its sequence holds
/// then.
void paged_attention(const KvLayout& layout, std::span<const PagedTokens> parts,
                     const PagedAttentionSettings& settings);

}  // namespace quern::ops
