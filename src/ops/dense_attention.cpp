#include "ops/dense_attention.h"

#include <algorithm>

namespace quern::ops {
namespace {

template <class T>
kernels::HeadMatrices<T> matrices(T* data, const Tensor& x) {
  const Shape& strides = x.strides();
  return {data, {strides[0], strides[1], strides[2], strides[3]}};
}

kernels::HeadMatrices<const float> matrices(const Tensor& x) {
  return matrices(static_cast<const float*>(x.raw()), x);
}

Tensor with_columns_side_by_side(const Tensor& x) {
  return x.strides()[3] == 1 ? x : x.contiguous();
}

}  // namespace

bool suits_dense_attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  constexpr std::int64_t kFewQueries = 8;
  constexpr std::int64_t kMostElements = std::int64_t{1} << 40;
  return q.dtype() == DType::f32 && q.rank() == 4 && q.dim(2) > kFewQueries &&
         std::max({q.numel(), k.numel(), v.numel()}) < kMostElements;
}

Tensor dense_attention(const Tensor& q, const Tensor& k_transposed, const Tensor& v,
                       const std::optional<Tensor>& mask, kernels::DenseAttention rest) {
  const Tensor rows = with_columns_side_by_side(q);
  rest.batch = q.dim(0);
  rest.heads = q.dim(1);
  rest.kv_heads = v.dim(1);
  rest.queries = q.dim(2);
  rest.keys = v.dim(2);
  rest.dim = q.dim(3);
  rest.value_dim = v.dim(3);
  rest.q = matrices(rows);
  rest.k_transposed = matrices(k_transposed);
  rest.v = matrices(v);
  std::optional<Tensor> added;
  if (mask) {
    Shape shape = mask->shape();
    if (shape[3] == 1) shape[3] = rest.keys;
    added = with_columns_side_by_side(mask->expand(shape));
    rest.mask = matrices(added->expand({rest.batch, rest.heads, rest.queries, shape[3]}));
  }
  Tensor dst =
      Tensor::empty({rest.batch, rest.queries, rest.heads, rest.value_dim}).transpose(1, 2);
  rest.dst = matrices(static_cast<float*>(dst.mutable_raw()), dst);
  kernels::attend_dense(rest);
  return dst;
}

}  // namespace quern::ops
