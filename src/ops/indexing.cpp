#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "core/strided.h"
#include "core/visit.h"
#include "kernels/weight_rows.h"
#include "ops/weight_rows.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

// The ids as i64, checked against [-limit, limit), or [0, limit) without `wraps`.
Tensor checked_ids(const char* name, const Tensor& ids, std::int64_t limit, bool wraps) {
  require(ids.dtype() == DType::i32 || ids.dtype() == DType::i64,
          "{}: expected indices of dtype i32 or i64, got {}", name, ids.dtype());
  Tensor checked = ids.dtype() == DType::i64 ? ids.clone() : ids.cast(DType::i64);
  for (std::int64_t& id : checked.mutable_data<std::int64_t>()) {
    require(id >= (wraps ? -limit : 0) && id < limit, "{}: index {} is out of range for size {}",
            name, id, limit);
    if (id < 0) id += limit;
  }
  return checked;
}

template <class T>
void copy_view(const Tensor& src, Tensor dst) {
  const auto* from = static_cast<const T*>(src.raw());
  auto* to = static_cast<T*>(dst.mutable_raw());
  for_each_run<2>(src.shape(), {src.strides(), dst.strides()},
                  [&](const auto& offsets, std::int64_t count, const auto& strides) {
                    for (std::int64_t i = 0; i < count; ++i) {
                      to[offsets[1] + i * strides[1]] = from[offsets[0] + i * strides[0]];
                    }
                  });
}

}  // namespace

Tensor concat(std::span<const Tensor> tensors, int axis) {
  require(!tensors.empty(), "concat: no tensors");
  const Tensor& first = tensors.front();
  require(axis >= -first.rank() && axis < first.rank(),
          "concat: axis {} is out of range for shape {}", axis, first.shape());
  const int along = axis < 0 ? axis + first.rank() : axis;
  Shape shape = first.shape();
  shape[along] = 0;
  for (const Tensor& tensor : tensors) {
    require(tensor.dtype() == first.dtype(), "concat: dtypes {} and {} differ", first.dtype(),
            tensor.dtype());
    Shape expected = first.shape();
    if (tensor.rank() == first.rank()) expected[along] = tensor.shape()[along];
    require(tensor.shape() == expected, "concat: shapes {} and {} differ beside axis {}",
            first.shape(), tensor.shape(), axis);
    shape[along] += tensor.shape()[along];
  }
  Tensor dst = Tensor::empty(shape, first.dtype());
  std::int64_t start = 0;
  for (const Tensor& tensor : tensors) {
    const std::int64_t size = tensor.shape()[along];
    visit_dtype(first.dtype(), [&](auto tag) {
      copy_view<typename decltype(tag)::type>(tensor, dst.slice(along, start, start + size));
    });
    start += size;
  }
  return dst;
}

Tensor gather(const Tensor& x, const Tensor& indices, int axis) {
  require(axis >= -x.rank() && axis < x.rank(), "gather: axis {} is out of range for shape {}",
          axis, x.shape());
  const int along = axis < 0 ? axis + x.rank() : axis;
  const Tensor ids = checked_ids("gather", indices, x.shape()[along], true);
  const Tensor src = x.contiguous();
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  Shape shape;
  for (int i = 0; i < along; ++i) {
    outer *= x.shape()[i];
    shape.push_back(x.shape()[i]);
  }
  for (const std::int64_t dim : indices.shape()) shape.push_back(dim);
  for (int i = along + 1; i < x.rank(); ++i) {
    inner *= x.shape()[i];
    shape.push_back(x.shape()[i]);
  }
  Tensor dst = Tensor::empty(shape, x.dtype());
  const auto index = ids.data<std::int64_t>();
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = src.data<T>().data();
    T* to = dst.mutable_data<T>().data();
    for (std::int64_t i = 0; i < outer; ++i) {
      for (const std::int64_t id : index) {
        to = std::copy_n(from + (i * x.shape()[along] + id) * inner, inner, to);
      }
    }
  });
  return dst;
}

Tensor embedding(const Weight& table, const Tensor& ids) {
  require(table.shape().rank() == 2, "embedding: expected a table [vocabulary, dim], got {}",
          table.shape());
  if (table.encoding() == Encoding::dense) {
    checked_ids("embedding", ids, table.shape()[0], false);
    return gather(table.tensor(), ids, 0);
  }
  const Tensor rows = checked_ids("embedding", ids, table.shape()[0], false);
  const std::int64_t dim = table.shape()[1];
  Shape shape = ids.shape();
  shape.push_back(dim);
  Tensor dst = Tensor::empty(shape);
  const auto index = rows.data<std::int64_t>();
  float* out = dst.mutable_data<float>().data();
  const kernels::WeightRows stored = weight_rows(table);
  parallel_for(static_cast<std::int64_t>(index.size()), 64,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::int64_t row = index[static_cast<std::size_t>(i)];
                   kernels::decode_rows(stored, row, row + 1, out + i * dim, dim);
                 }
               });
  return dst;
}

}  // namespace quern::ops
