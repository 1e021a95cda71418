#include "models/parts/cached_attention.h"

namespace quern::models {

Tensor cached_attention(const Batch& batch, std::int64_t index, const Tensor& q, const Tensor& k,
                        const Tensor& v, const ops::PagedAttentionSettings& settings) {
  Tensor attended = Tensor::empty(q.shape());
  const float* queries = q.data<float>().data();
  const float* keys = k.data<float>().data();
  const float* values = v.data<float>().data();
  float* dst = attended.mutable_data<float>().data();
  std::vector<ops::PagedTokens> parts;
  for (const Batch::Part& part : batch.parts) {
    parts.push_back({.pages = part.sequence->layer(index),
                     .position = part.sequence->length(),
                     .count = part.count,
                     .queries = queries,
                     .keys = keys,
                     .values = values,
                     .dst = dst});
    queries += part.count * q.dim(1);
    keys += part.count * k.dim(1);
    values += part.count * v.dim(1);
    dst += part.count * q.dim(1);
  }
  ops::paged_attention(batch.parts.front().sequence->pool().layout(), parts, settings);
  return attended;
}

}  // namespace quern::models
