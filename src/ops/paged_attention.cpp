#include "ops/paged_attention.h"

#include <vector>

#include "kernels/attention.h"

namespace quern::ops {

static_assert(KvLayout::kTokens == kernels::kPageTokens);

std::int64_t KvLayout::page_bytes() const {
  return 2 * kernels::page_elements(kv_heads, head_dim) * static_cast<std::int64_t>(size_of(dtype));
}

void paged_attention(const KvLayout& layout, std::span<std::byte* const> pages,
                     std::int64_t position, const PagedTokens& tokens,
                     const PagedAttentionSettings& settings) {
  std::vector<kernels::KvPage> views;
  views.reserve(pages.size());
  for (std::byte* page : pages) views.push_back({page, page + layout.page_bytes() / 2});
  const kernels::HeadLayout heads{layout.heads, layout.kv_heads, layout.head_dim, layout.dtype};
  const std::int64_t width = layout.heads * layout.head_dim;
  kernels::store_kv(heads, views, position, tokens.count, tokens.keys, tokens.values,
                    layout.kv_heads * layout.head_dim);
  kernels::attend(heads, views, position + tokens.count, position, tokens.count, tokens.queries,
                  width, tokens.dst, width,
                  {.causal = true, .window = settings.window, .scale = settings.scale});
}

}  // namespace quern::ops
