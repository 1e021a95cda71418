#pragma once

#include "models/arch/architecture.h"
#include "ops/paged_attention.h"

namespace quern::models {

/// Stores the keys and values [tokens, kv_heads * head_dim] f32 of a batch in layer `index` of each
/// part's sequence, and attends causally over all that the sequence holds then:
/// q [tokens, heads * head_dim] f32 -> [tokens, heads * head_dim].
Tensor cached_attention(const Batch& batch, std::int64_t index, const Tensor& q, const Tensor& k,
                        const Tensor& v, const ops::PagedAttentionSettings& settings);

}  // namespace quern::models
