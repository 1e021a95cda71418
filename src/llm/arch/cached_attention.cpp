#include "llm/arch/cached_attention.h"

namespace quern::llm {

Tensor cached_attention(const Batch& batch, std::int64_t index, const Tensor& q, const Tensor& k,
                        const Tensor& v, const ops::PagedAttentionSettings& settings) {
  Tensor attended = Tensor::empty(q.shape());
  ops::PagedTokens tokens{.count = 0,
                          .queries = q.data<float>().data(),
                          .keys = k.data<float>().data(),
                          .values = v.data<float>().data(),
                          .dst = attended.mutable_data<float>().data()};
  for (const Batch::Part& part : batch.parts) {
    tokens.count = part.count;
    const auto pages = part.sequence->layer(index);
    ops::paged_attention(part.sequence->pool().layout(), pages, part.sequence->length(), tokens,
                         settings);
    tokens.queries += part.count * q.dim(1);
    tokens.keys += part.count * k.dim(1);
    tokens.values += part.count * v.dim(1);
    tokens.dst += part.count * q.dim(1);
  }
  return attended;
}

}  // namespace quern::llm
