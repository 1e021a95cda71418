#include "quern/ops/indexing.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/strided.h"
#include "core/visit.h"
#include "kernels/weight_rows.h"
#include "ops/axis.h"
#include "ops/indices.h"
#include "ops/weight_rows.h"
#include "quern/ops/shape.h"

namespace quern::ops {
namespace {

/// Copies `count` runs of `inner` elements, run i from place(i) elements on.
template <class Place>
void gather_runs(const Tensor& src, Tensor& dst, std::int64_t count, std::int64_t inner,
                 const Place& place) {
  visit_storage(src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(src.raw());
    auto* to = static_cast<T*>(dst.mutable_raw());
    parallel_for(count, grain_of(inner), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        std::copy_n(from + place(i), inner, to + i * inner);
    });
  });
}

}  // namespace

Tensor checked_indices(const char* operation, const Tensor& indices, std::int64_t limit) {
  require(indices.dtype() == DType::i32 || indices.dtype() == DType::i64,
          "{}: expected indices of dtype i32 or i64, got {}", operation, indices.dtype());
  Tensor checked = indices.dtype() == DType::i64 ? indices.clone() : indices.cast(DType::i64);
  for (std::int64_t& index : checked.mutable_data<std::int64_t>()) {
    require(index >= -limit && index < limit, "{}: index {} is out of range for size {}", operation,
            index, limit);
    if (index < 0) index += limit;
  }
  return checked;
}

Tensor gather(const Tensor& x, const Tensor& indices, int axis) {
  const int along = checked_axis("gather", axis, x.shape());
  const std::int64_t size = x.shape()[along];
  const Tensor ids = checked_indices("gather", indices, size);
  const Tensor src = x.contiguous();
  const std::int64_t outer = elements(x.shape(), 0, along);
  const std::int64_t inner = elements(x.shape(), along + 1, x.rank());
  Shape shape;
  for (int i = 0; i < along; ++i) shape.push_back(x.shape()[i]);
  for (const std::int64_t dim : indices.shape()) shape.push_back(dim);
  for (int i = along + 1; i < x.rank(); ++i) shape.push_back(x.shape()[i]);
  Tensor dst = Tensor::empty(shape, x.dtype());
  const std::int64_t* index = ids.data<std::int64_t>().data();
  const std::int64_t count = ids.numel();
  if (dst.numel() == 0) return dst;
  gather_runs(src, dst, outer * count, inner,
              [&](std::int64_t i) { return (i / count * size + index[i % count]) * inner; });
  return dst;
}

Tensor embedding(const Weight& table, const Tensor& ids) {
  require(table.shape().rank() == 2, "embedding: expected a table [vocabulary, dim], got {}",
          table.shape());
  const Tensor rows = checked_indices("embedding", ids, table.shape()[0]);
  const Tensor wide = ids.cast(DType::i64).contiguous();
  for (const std::int64_t id : wide.data<std::int64_t>())
    require(id >= 0, "embedding: index {} is out of range for size {}", id, table.shape()[0]);
  if (table.encoding() == Encoding::dense) return gather(table.tensor(), ids, 0);
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

Tensor gather_elements(const Tensor& x, const Tensor& indices, int axis) {
  const int along = checked_axis("gather_elements", axis, x.shape());
  require(indices.rank() == x.rank(), "gather_elements: indices {} for shape {}", indices.shape(),
          x.shape());
  for (int i = 0; i < x.rank(); ++i) {
    require(i == along || indices.shape()[i] <= x.shape()[i],
            "gather_elements: indices {} for shape {} along axis {}", indices.shape(), x.shape(),
            axis);
  }
  const Tensor ids = checked_indices("gather_elements", indices, x.shape()[along]);
  Tensor dst = Tensor::empty(indices.shape(), x.dtype());
  if (dst.numel() == 0) return dst;
  const int last = x.rank() - 1;
  const std::int64_t columns = ids.shape()[last];
  const std::int64_t step = last == along ? 0 : x.strides()[last];
  const std::int64_t stride = x.strides()[along];
  Shape beside = x.strides();
  beside[along] = 0;
  StridedAxes<1> rows;
  for (int i = 0; i < last; ++i) rows.push_back(ids.shape()[i], {beside}, i);
  const std::int64_t* index = ids.data<std::int64_t>().data();
  visit_storage(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(x.raw());
    auto* to = static_cast<T*>(dst.mutable_raw());
    parallel_for(rows.dims.numel(), grain_of(columns), [&](std::int64_t begin, std::int64_t end) {
      StridedWalk<1> walk(rows, begin);
      for (; begin < end; ++begin, walk.next()) {
        for (std::int64_t i = 0; i < columns; ++i) {
          const std::int64_t at = begin * columns + i;
          to[at] = from[walk.offset(0) + i * step + index[at] * stride];
        }
      }
    });
  });
  return dst;
}

Tensor nonzero(const Tensor& x) {
  if (is_narrow(x.dtype())) return nonzero(x.cast(DType::f32));
  const Tensor src = x.contiguous();
  std::vector<std::int64_t> places;
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::int64_t at = 0;
    if constexpr (is_number<T>) {
      for (const T value : src.data<T>()) {
        if (static_cast<Compute<T>>(value) != Compute<T>{0}) places.push_back(at);
        ++at;
      }
    } else if constexpr (std::is_same_v<T, std::string>) {
      for (const T& value : src.data<T>()) {
        if (!value.empty()) places.push_back(at);
        ++at;
      }
    }
  });
  const auto count = std::ssize(places);
  Tensor dst = Tensor::empty({x.rank(), count}, DType::i64);
  std::int64_t* to = dst.mutable_data<std::int64_t>().data();
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t& rest = places[static_cast<std::size_t>(i)];
      to[axis * count + i] = rest % x.shape()[axis];
      rest /= x.shape()[axis];
    }
  }
  return dst;
}

Tensor compress(const Tensor& x, const Tensor& mask, std::optional<int> axis) {
  require(mask.dtype() == DType::boolean && mask.rank() == 1,
          "compress: expected a mask [n] of bool, got {} of {}", mask.shape(), mask.dtype());
  return gather(axis ? x : x.reshape({-1}), nonzero(mask).reshape({-1}), axis.value_or(0));
}

Tensor one_hot(const Tensor& indices, std::int64_t depth, const Tensor& values, int axis) {
  require(depth >= 0, "one_hot: depth {}", depth);
  require(values.shape() == Shape{2}, "one_hot: expected values [2], got {}", values.shape());
  require(axis >= -indices.rank() - 1 && axis <= indices.rank(),
          "one_hot: axis {} is out of range for indices {}", axis, indices.shape());
  const int along = axis < 0 ? axis + indices.rank() + 1 : axis;
  Shape shape = indices.unsqueeze(along).shape();
  shape[along] = depth;
  Tensor dst = values.slice(0, 0, 1).squeeze(0).expand(shape).clone();
  if (dst.numel() == 0) return dst;
  const std::int64_t inner = elements(shape, along + 1, shape.rank());
  const Tensor ids = indices.cast(DType::i64).contiguous();
  const Tensor both = values.contiguous();
  visit_storage(values.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T& on = static_cast<const T*>(both.raw())[1];
    auto* to = static_cast<T*>(dst.mutable_raw());
    std::int64_t i = 0;
    for (const std::int64_t id : ids.data<std::int64_t>()) {
      if (id >= -depth && id < depth)
        to[(i / inner * depth + (id < 0 ? id + depth : id)) * inner + i % inner] = on;
      ++i;
    }
  });
  return dst;
}

}  // namespace quern::ops
