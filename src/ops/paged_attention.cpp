#include "ops/paged_attention.h"

#include <vector>

#include "kernels/attention.h"

namespace quern::ops {

static_assert(KvLayout::kTokens == kernels::kPageTokens);

std::int64_t KvLayout::page_bytes() const {
  return 2 * kernels::page_elements(kv_heads, head_dim) * static_cast<std::int64_t>(size_of(dtype));
}

void paged_attention(const KvLayout& layout, std::span<const PagedTokens> parts,
                     const PagedAttentionSettings& settings) {
  const kernels::HeadLayout heads{layout.heads, layout.kv_heads, layout.head_dim, layout.dtype};
  const std::int64_t width = layout.heads * layout.head_dim;
  std::vector<std::vector<kernels::KvPage>> pages(parts.size());
  std::vector<kernels::SequenceQueries> sequences;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const PagedTokens& part = parts[i];
    for (std::byte* page : part.pages) pages[i].push_back({page, page + layout.page_bytes() / 2});
    kernels::store_kv(heads, pages[i], part.position, part.count, part.keys, part.values,
                      layout.kv_heads * layout.head_dim);
    sequences.push_back({.pages = pages[i],
                         .context = part.position + part.count,
                         .position = part.position,
                         .count = part.count,
                         .queries = part.queries,
                         .dst = part.dst});
  }
  kernels::attend(heads, sequences, width, width,
                  {.causal = true,
                   .window = settings.window,
                   .scale = settings.scale,
                   .softcap = settings.softcap});
}

}  // namespace quern::ops
