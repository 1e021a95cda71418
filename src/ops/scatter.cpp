#include <algorithm>
#include <cmath>
#include <vector>

#include "core/copy.h"
#include "core/parallel.h"
#include "core/strided.h"
#include "core/visit.h"
#include "ops/axis.h"
#include "ops/indices.h"
#include "ops/wrapping.h"
#include "quern/ops/indexing.h"

namespace quern::ops {
namespace {

template <class T>
T sum_of(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return a || b;
  } else {
    return T(plus(static_cast<Compute<T>>(a), static_cast<Compute<T>>(b)));
  }
}

template <class T>
T product_of(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return a && b;
  } else {
    return T(times(static_cast<Compute<T>>(a), static_cast<Compute<T>>(b)));
  }
}

template <class T>
bool is_nan(T value) {
  if constexpr (std::is_integral_v<T>) {
    return false;
  } else {
    return std::isnan(static_cast<Compute<T>>(value));
  }
}

template <class T>
void reduce_into(T& to, T from, ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::none:
      to = from;
      break;
    case ScatterReduction::add:
      to = sum_of(to, from);
      break;
    case ScatterReduction::mul:
      to = product_of(to, from);
      break;
    case ScatterReduction::min:
      if (from < to || is_nan(from)) to = from;
      break;
    case ScatterReduction::max:
      if (from > to || is_nan(from)) to = from;
      break;
  }
}

/// Calls `body(tag, reduce)` with a type of x's elements and what puts one on another.
template <class Body>
void visit_reduction(const char* operation, DType dtype, ScatterReduction reduction,
                     const Body& body) {
  if (reduction == ScatterReduction::none) {
    visit_storage(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      body(tag, [](T& to, const T& from) { to = from; });
    });
  } else {
    visit_numeric(operation, dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      body(tag, [reduction](T& to, const T& from) { reduce_into(to, from, reduction); });
    });
  }
}

void require_updates_dtype(const char* operation, const Tensor& x, const Tensor& updates) {
  require(updates.dtype() == x.dtype(), "{}: updates of dtype {} for {}", operation,
          updates.dtype(), x.dtype());
}

/// Slices of a tensor that rows of indices [..., k] choose.
struct Slices {
  std::int64_t size;  ///< elements of one
  Tensor offsets;     ///< of each, in elements, i64
  Shape shape;        ///< of all: [..., the axes that are left]
};

Slices slices_of(const char* operation, const Shape& x, const Tensor& indices, int batch_dims) {
  require(indices.rank() > batch_dims && batch_dims >= 0 && batch_dims <= x.rank(),
          "{}: {} batch axes for indices {} of shape {}", operation, batch_dims, indices.shape(),
          x);
  const std::int64_t fixed = indices.dim(-1);
  const int last = indices.rank() - 1;
  bool fits = fixed <= x.rank() - batch_dims;
  for (int axis = 0; axis < batch_dims; ++axis) fits = fits && indices.shape()[axis] == x[axis];
  require(fits, "{}: indices {} for shape {}", operation, indices.shape(), x);

  const int left = batch_dims + static_cast<int>(fixed);
  Slices slices{elements(x, left, x.rank()), Tensor(), Shape()};
  for (int axis = 0; axis < last; ++axis) slices.shape.push_back(indices.shape()[axis]);
  slices.offsets = Tensor::zeros({slices.shape.numel()}, DType::i64);
  for (int axis = left; axis < x.rank(); ++axis) slices.shape.push_back(x[axis]);

  const auto offsets = slices.offsets.mutable_data<std::int64_t>();
  for (int axis = batch_dims; axis < left && !offsets.empty(); ++axis) {
    const std::int64_t k = axis - batch_dims;
    const Tensor column = checked_indices(operation, indices.slice(last, k, k + 1), x[axis]);
    const std::int64_t stride = elements(x, axis + 1, x.rank());
    const auto ids = column.data<std::int64_t>();
    for (std::size_t i = 0; i < offsets.size(); ++i) offsets[i] += ids[i] * stride;
  }
  const std::int64_t batch_size = elements(x, batch_dims, x.rank());
  const std::int64_t rows = elements(indices.shape(), batch_dims, last);
  for (std::size_t i = 0; i < offsets.size(); ++i)
    offsets[i] += static_cast<std::int64_t>(i) / rows * batch_size;
  return slices;
}

}  // namespace

Tensor gather_nd(const Tensor& x, const Tensor& indices, int batch_dims) {
  const Tensor src = x.contiguous();
  const Slices slices = slices_of("gather_nd", x.shape(), indices, batch_dims);
  Tensor dst = Tensor::empty(slices.shape, x.dtype());
  if (dst.numel() == 0) return dst;
  visit_storage(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(src.raw());
    auto* to = static_cast<T*>(dst.mutable_raw());
    const std::int64_t* offsets = slices.offsets.data<std::int64_t>().data();
    parallel_for(slices.offsets.numel(), grain_of(slices.size),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i)
                     std::copy_n(from + offsets[i], slices.size, to + i * slices.size);
                 });
  });
  return dst;
}

Tensor scatter_elements(const Tensor& x, const Tensor& indices, const Tensor& updates, int axis,
                        ScatterReduction reduction) {
  require_updates_dtype("scatter_elements", x, updates);
  const int along = checked_axis("scatter_elements", axis, x.shape());
  require(indices.shape() == updates.shape() && indices.rank() == x.rank(),
          "scatter_elements: indices {} and updates {} for shape {}", indices.shape(),
          updates.shape(), x.shape());
  for (int i = 0; i < x.rank(); ++i) {
    require(i == along || indices.shape()[i] <= x.shape()[i],
            "scatter_elements: indices {} for shape {} along axis {}", indices.shape(), x.shape(),
            axis);
  }
  const Tensor ids = checked_indices("scatter_elements", indices, x.shape()[along]);
  Tensor dst = x.clone();
  Shape beside = dst.strides();
  beside[along] = 0;
  const std::int64_t stride = dst.strides()[along];
  const std::int64_t* index = ids.data<std::int64_t>().data();
  visit_reduction("scatter_elements", x.dtype(), reduction, [&](auto tag, const auto& reduce) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(updates.raw());
    auto* to = static_cast<T*>(dst.mutable_raw());
    for_each_run<3>(ids.shape(), {ids.strides(), updates.strides(), beside},
                    [&](const auto& offsets, std::int64_t count, const auto& strides) {
                      for (std::int64_t i = 0; i < count; ++i) {
                        const std::int64_t id = index[offsets[0] + i * strides[0]];
                        reduce(to[offsets[2] + i * strides[2] + id * stride],
                               from[offsets[1] + i * strides[1]]);
                      }
                    });
  });
  return dst;
}

Tensor scatter_nd(const Tensor& x, const Tensor& indices, const Tensor& updates,
                  ScatterReduction reduction) {
  require_updates_dtype("scatter_nd", x, updates);
  const Slices slices = slices_of("scatter_nd", x.shape(), indices, 0);
  require(updates.shape() == slices.shape, "scatter_nd: updates {}, expected {}", updates.shape(),
          slices.shape);
  const Tensor src = updates.contiguous();
  Tensor dst = x.clone();
  visit_reduction("scatter_nd", x.dtype(), reduction, [&](auto tag, const auto& reduce) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(src.raw());
    auto* to = static_cast<T*>(dst.mutable_raw());
    for (const std::int64_t offset : slices.offsets.data<std::int64_t>()) {
      for (std::int64_t i = 0; i < slices.size; ++i) reduce(to[offset + i], from[i]);
      from += slices.size;
    }
  });
  return dst;
}

Tensor scatter_rows(const Tensor& x, const Tensor& update, const std::optional<Tensor>& starts,
                    int axis, bool circular) {
  require_updates_dtype("scatter_rows", x, update);
  const int along = checked_axis("scatter_rows", axis, x.shape());
  Shape expected = x.shape();
  if (update.rank() == x.rank()) expected[along] = update.shape()[along];
  require(along > 0 && update.shape() == expected && update.shape()[along] <= x.shape()[along],
          "scatter_rows: update {} for shape {} along axis {}", update.shape(), x.shape(), axis);
  const std::int64_t size = x.shape()[along];
  const std::int64_t rows = update.shape()[along];
  const Tensor places =
      starts ? starts->cast(DType::i64).contiguous() : Tensor::zeros({x.dim(0)}, DType::i64);
  require(places.shape() == Shape{x.dim(0)}, "scatter_rows: starts {} for shape {}", places.shape(),
          x.shape());
  Tensor dst = x.clone();
  for (std::int64_t batch = 0; batch < x.dim(0); ++batch) {
    const std::int64_t start = places.data<std::int64_t>()[static_cast<std::size_t>(batch)];
    const bool fits = circular ? start < size || rows == 0 : start <= size - rows;
    require(start >= 0 && fits, "scatter_rows: {} rows from {} on for axis {} of shape {}", rows,
            start, axis, x.shape());
    const Tensor from = update.slice(0, batch, batch + 1);
    const Tensor to = dst.slice(0, batch, batch + 1);
    const std::int64_t before_end = std::min(rows, size - start);
    copy_elements(from.slice(along, 0, before_end), to.slice(along, start, start + before_end));
    copy_elements(from.slice(along, before_end, rows), to.slice(along, 0, rows - before_end));
  }
  return dst;
}

}  // namespace quern::ops
