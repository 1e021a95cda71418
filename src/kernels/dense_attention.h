#pragma once

#include <cstdint>

namespace quern::kernels {

/// A matrix for each head of each batch entry, as it lies: element [row, column] is at
/// data[batch * strides[0] + head * strides[1] + row * strides[2] + column * strides[3]].
template <class T>
struct HeadMatrices {
  T* data = nullptr;
  std::int64_t strides[4] = {};

  T* of(std::int64_t batch, std::int64_t head) const {
    return data + batch * strides[0] + head * strides[1];
  }
};

/// Keys [begin, end).
struct KeyRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// What a query gives whose softmax is undefined because it sees no key, or each with a mask of
/// -infinity.
enum class Blind { nan, zero };

struct DenseAttention {
  std::int64_t batch = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  ///< divides `heads`; head h reads h / (heads / kv_heads)
  std::int64_t queries = 0;
  std::int64_t keys = 0;
  std::int64_t dim = 0;
  std::int64_t value_dim = 0;
  float scale = 1.f;
  bool sink = false;  ///< softmax over one more score, 0, that has no value
  Blind blind = Blind::nan;
  const KeyRange* seen = nullptr;          ///< [batch, queries], within `keys`; null: all
  HeadMatrices<const float> q;             ///< [queries, dim], a row's floats side by side
  HeadMatrices<const float> k_transposed;  ///< [dim, keys]
  HeadMatrices<const float> v;             ///< [keys, value_dim]
  HeadMatrices<const float> mask;          ///< [queries, keys], as q; null: none
  HeadMatrices<float> dst;                 ///< [queries, value_dim], as q
};

/// dst = softmax(q · k_transposed * scale + mask) · v for each head of each batch entry, over the
/// keys that a query sees, in parallel over heads and blocks of queries, whose scores stay in a
/// core's cache. No size is 0. A query whose softmax has a NaN or an infinity above gives NaN.
/// Throws: `out_of_memory`.
void attend_dense(const DenseAttention& attention);

}  // namespace quern::kernels
