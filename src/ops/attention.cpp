#include "kernels/attention.h"

#include <cmath>

#include "core/error.h"
#include "core/format.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

// One sequence's keys and values in the kernel's pages.
struct Pages {
  Tensor memory;
  std::vector<kernels::KvPage> pages;

  Pages(const kernels::HeadLayout& layout, std::int64_t tokens) {
    const std::int64_t count = (tokens + kernels::kPageTokens - 1) / kernels::kPageTokens;
    const std::int64_t elements = kernels::page_elements(layout.kv_heads, layout.head_dim);
    memory = Tensor::zeros({count, 2, elements});
    for (std::int64_t i = 0; i < count; ++i) {
      float* page = memory.mutable_data<float>().data() + i * 2 * elements;
      pages.push_back({page, page + elements});
    }
  }
};

// [heads, tokens, dim] as a kernel reads it: [tokens, heads, dim] in f32.
Tensor token_major(const Tensor& x, std::int64_t batch) {
  return x.slice(0, batch, batch + 1)
      .reshape({x.dim(1), x.dim(2), x.dim(3)})
      .transpose(0, 1)
      .cast(DType::f32)
      .contiguous();
}

void check(const Tensor& q, const Tensor& k, const Tensor& v) {
  require(q.rank() == 4 && k.rank() == 4 && v.shape() == k.shape(),
          "attention: expected q [batch, heads, queries, dim], k and v [batch, kv_heads, keys, "
          "dim], got {}, {}, {}",
          q.shape(), k.shape(), v.shape());
  require(q.dim(0) == k.dim(0) && q.dim(3) == k.dim(3),
          "attention: batch or head_dim of q {} and k {} differ", q.shape(), k.shape());
  require(k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0,
          "attention: {} heads are not a multiple of {} kv_heads", q.dim(1), k.dim(1));
  require(q.dtype() == k.dtype() && q.dtype() == v.dtype(), "attention: dtypes {}, {}, {} differ",
          q.dtype(), k.dtype(), v.dtype());
  if (q.dtype() != DType::f32 && q.dtype() != DType::bf16 && q.dtype() != DType::f16) {
    fail(ErrorCode::unsupported, "attention: expected f32, bf16 or f16, got {}", q.dtype());
  }
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options) {
  check(q, k, v);
  require(options.window >= 0 && (options.window == 0 || options.causal),
          "attention: a window of {} needs causal attention", options.window);
  const kernels::HeadLayout layout{q.dim(1), k.dim(1), q.dim(3), DType::f32};
  const std::int64_t queries = q.dim(2);
  const std::int64_t keys = k.dim(2);
  const kernels::AttentionMask mask{.causal = options.causal,
                                    .window = options.window,
                                    .scale = options.scale != 0.f
                                                 ? options.scale
                                                 : 1.f / std::sqrt(static_cast<float>(q.dim(3)))};
  const std::int64_t row = layout.heads * layout.head_dim;
  Tensor dst = Tensor::zeros({q.dim(0), queries, layout.heads, layout.head_dim});
  if (dst.numel() == 0 || keys == 0) return dst.transpose(1, 2).contiguous().cast(q.dtype());
  for (std::int64_t batch = 0; batch < q.dim(0); ++batch) {
    const Tensor dense_q = token_major(q, batch);
    const Tensor dense_k = token_major(k, batch);
    const Tensor dense_v = token_major(v, batch);
    const Pages stored(layout, keys);
    kernels::store_kv(layout, stored.pages, 0, keys, dense_k.data<float>().data(),
                      dense_v.data<float>().data(), layout.kv_heads * layout.head_dim);
    const kernels::SequenceQueries sequence{
        .pages = stored.pages,
        .context = keys,
        .position = keys - queries,
        .count = queries,
        .queries = dense_q.data<float>().data(),
        .dst = dst.mutable_data<float>().data() + batch * queries * row};
    kernels::attend(layout, std::span(&sequence, 1), row, row, mask);
  }
  return dst.transpose(1, 2).contiguous().cast(q.dtype());
}

}  // namespace quern::ops
