#include "core/error.h"
#include "core/format.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

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
  const std::int64_t keys = k.dim(2);
  if (q.numel() == 0 || keys == 0) return Tensor::zeros(q.shape(), q.dtype());
  const MaskedAttentionOptions masked{
      .causal = options.causal,
      .query_starts = Tensor::full({q.dim(0)}, static_cast<double>(keys - q.dim(2)), DType::i64),
      .window = options.window,
      .scale = options.scale};
  const auto wide = [](const Tensor& x) { return x.cast(DType::f32); };
  return masked_attention(wide(q), wide(k), wide(v), masked).output.cast(q.dtype());
}

}  // namespace quern::ops
