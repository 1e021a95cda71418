#include "core/copy.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "core/strided.h"
#include "core/visit.h"

namespace quern {
namespace {

/// A thread is worth as many elements.
constexpr std::int64_t kGrain = 1 << 14;

std::int64_t grain_of(std::int64_t elements_each) {
  return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, elements_each));
}

template <class T>
void copy_run(const T* from, std::int64_t from_step, T* to, std::int64_t to_step,
              std::int64_t count) {
  if (from_step == 1 && to_step == 1) {
    std::copy_n(from, count, to);
  } else if (from_step == 0 && to_step == 1) {
    std::fill_n(to, count, *from);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i * to_step] = from[i * from_step];
  }
}

template <class T>
void copy_runs(const StridedAxes<2>& axes, const T* from, T* to) {
  const int inner = axes.dims.rank() - 1;
  const std::int64_t count = axes.dims[inner];
  const std::int64_t from_step = axes.strides[0][inner];
  const std::int64_t to_step = axes.strides[1][inner];
  const StridedAxes<2> outer = axes.without(inner);
  const std::int64_t runs = outer.dims.numel();
  if (runs == 1) {
    parallel_for(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
      copy_run(from + begin * from_step, from_step, to + begin * to_step, to_step, end - begin);
    });
    return;
  }
  parallel_for(runs, grain_of(count), [&](std::int64_t begin, std::int64_t end) {
    for (StridedWalk<2> walk(outer, begin); begin < end; ++begin, walk.next())
      copy_run(from + walk.offset(0), from_step, to + walk.offset(1), to_step, count);
  });
}

/// Elements of a cache line: tiles of as many rows and columns touch each line once.
template <class T>
constexpr std::int64_t kTile = 64 / sizeof(T);

/// Exchanges rows and columns: to[r * to_row + c] = from[c * from_column + r].
template <class T>
void transpose_tile(const T* from, std::int64_t from_column, T* to, std::int64_t to_row,
                    std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t n = kTile<T>;
  if (rows < n || columns < n) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) to[r * to_row + c] = from[c * from_column + r];
    }
    return;
  }
  T tile[n][n];
  for (std::int64_t c = 0; c < n; ++c) {
    T line[n];
    std::memcpy(line, from + c * from_column, sizeof line);
    for (std::int64_t r = 0; r < n; ++r) tile[r][c] = line[r];
  }
  for (std::int64_t r = 0; r < n; ++r) std::memcpy(to + r * to_row, tile[r], sizeof tile[r]);
}

/// For planes of which `src` is contiguous along axis `row` and `dst` along the last one.
template <class T>
void copy_transposed(const StridedAxes<2>& axes, int row, const T* from, T* to) {
  const int column = axes.dims.rank() - 1;
  const std::int64_t rows = axes.dims[row];
  const std::int64_t columns = axes.dims[column];
  const std::int64_t from_column = axes.strides[0][column];
  const std::int64_t to_row = axes.strides[1][row];
  const std::int64_t bands = (rows + kTile<T> - 1) / kTile<T>;
  const StridedAxes<2> outer = axes.without(column).without(row);
  const auto band_of = [&](const StridedWalk<2>& walk, std::int64_t first) {
    const T* src = from + walk.offset(0) + first;
    T* dst = to + walk.offset(1) + first * to_row;
    for (std::int64_t c = 0; c < columns; c += kTile<T>)
      transpose_tile(src + c * from_column, from_column, dst + c, to_row,
                     std::min(kTile<T>, rows - first), std::min(kTile<T>, columns - c));
  };
  parallel_for(outer.dims.numel() * bands, grain_of(kTile<T> * columns),
               [&](std::int64_t begin, std::int64_t end) {
                 StridedWalk<2> walk(outer, begin / bands);
                 for (; begin < end; ++begin) {
                   band_of(walk, begin % bands * kTile<T>);
                   if (begin % bands == bands - 1) walk.next();
                 }
               });
}

/// The axis that changes places with the last one; -1 where runs are copied as they are.
int exchanged_axis(const StridedAxes<2>& axes) {
  const int inner = axes.dims.rank() - 1;
  constexpr std::int64_t kWorthIt = 4;
  if (axes.strides[1][inner] != 1 || axes.strides[0][inner] == 1 || axes.dims[inner] < kWorthIt)
    return -1;
  for (int axis = inner - 1; axis >= 0; --axis) {
    if (axes.strides[0][axis] == 1 && axes.dims[axis] >= kWorthIt) return axis;
  }
  return -1;
}

}  // namespace

void copy_elements(const Tensor& src, Tensor dst) {
  if (src.numel() == 0) return;
  const StridedAxes<2> axes = merge_axes<2>(src.shape(), {src.strides(), dst.strides()});
  const int row = exchanged_axis(axes);
  visit_storage(src.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto* from = static_cast<const T*>(src.raw());
    auto* to = static_cast<T*>(dst.mutable_raw());
    if constexpr (std::is_trivially_copyable_v<T>) {
      if (row >= 0) return copy_transposed(axes, row, from, to);
    }
    copy_runs(axes, from, to);
  });
}

}  // namespace quern
