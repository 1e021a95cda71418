#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/parallel.h"
#include "quern/shape.h"

namespace quern {

/// The axes of N tensors of one shape, each with strides of its own.
template <int N>
struct StridedAxes {
  Shape dims;
  std::array<Shape, N> strides;

  void push_back(std::int64_t dim, const std::array<Shape, N>& of, int axis) {
    dims.push_back(dim);
    for (int n = 0; n < N; ++n) strides[n].push_back(of[n][axis]);
  }
  StridedAxes without(int dropped) const {
    StridedAxes rest;
    for (int axis = 0; axis < dims.rank(); ++axis) {
      if (axis != dropped) rest.push_back(dims[axis], strides, axis);
    }
    return rest;
  }
};

/// One axis at least, without those of size 1, and with neighbours merged where they are contiguous
/// in every tensor.
template <int N>
StridedAxes<N> merge_axes(const Shape& shape, const std::array<Shape, N>& strides) {
  StridedAxes<N> merged;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const int last = merged.dims.rank() - 1;
    bool mergeable = last >= 0;
    for (int n = 0; mergeable && n < N; ++n) {
      mergeable = merged.strides[n][last] == strides[n][axis] * shape[axis];
    }
    if (mergeable) {
      merged.dims[last] *= shape[axis];
      for (int n = 0; n < N; ++n) merged.strides[n][last] = strides[n][axis];
    } else {
      merged.push_back(shape[axis], strides, axis);
    }
  }
  if (merged.dims.rank() == 0) {
    merged.dims.push_back(1);
    for (int n = 0; n < N; ++n) merged.strides[n].push_back(0);
  }
  return merged;
}

/// The places of N tensors, one after another in row-major order, from any of them on.
template <int N>
class StridedWalk {
 public:
  explicit StridedWalk(const StridedAxes<N>& axes, std::int64_t begin = 0)
      : axes_(axes), index_(Shape::filled(axes.dims.rank(), 0)) {
    for (int axis = axes.dims.rank() - 1; begin > 0 && axis >= 0; --axis) {
      index_[axis] = begin % axes.dims[axis];
      begin /= axes.dims[axis];
      for (int n = 0; n < N; ++n) offsets_[n] += index_[axis] * axes.strides[n][axis];
    }
  }

  std::int64_t offset(int n) const noexcept { return offsets_[static_cast<unsigned>(n)]; }
  const std::array<std::int64_t, N>& offsets() const noexcept { return offsets_; }

  /// False where the first place follows the last.
  bool next() noexcept {
    for (int axis = index_.rank() - 1; axis >= 0; --axis) {
      for (int n = 0; n < N; ++n) offsets_[n] += axes_.strides[n][axis];
      if (++index_[axis] < axes_.dims[axis]) return true;
      for (int n = 0; n < N; ++n) offsets_[n] -= axes_.strides[n][axis] * axes_.dims[axis];
      index_[axis] = 0;
    }
    return false;
  }

 private:
  const StridedAxes<N>& axes_;
  Shape index_;
  std::array<std::int64_t, N> offsets_{};
};

/// Walks N tensors of one shape, each with strides of its own, row by row: calls
/// `body(offsets, inner_count, inner_strides)` for each run along the innermost axis. Axes that are
/// contiguous in every tensor are merged first, so dense tensors give one long run.
template <int N, class Body>
void for_each_run(const Shape& shape, const std::array<Shape, N>& strides, const Body& body) {
  for (const std::int64_t dim : shape) {
    if (dim == 0) return;
  }
  const StridedAxes<N> axes = merge_axes<N>(shape, strides);
  const int inner = axes.dims.rank() - 1;
  std::array<std::int64_t, N> inner_strides;
  for (int n = 0; n < N; ++n) inner_strides[n] = axes.strides[n][inner];
  const StridedAxes<N> outer = axes.without(inner);
  StridedWalk<N> walk(outer);
  do {
    body(walk.offsets(), axes.dims[inner], inner_strides);
  } while (walk.next());
}

/// As for_each_run, but calls `body` from several threads, on parts of `grain` elements or more:
/// the outermost axis with more than one index is split.
template <int N, class Body>
void parallel_for_each_run(const Shape& shape, const std::array<Shape, N>& strides,
                           std::int64_t grain, const Body& body) {
  int axis = 0;
  while (axis + 1 < shape.rank() && shape[axis] == 1) ++axis;
  const std::int64_t count = shape.numel();
  if (count <= grain || shape.rank() == 0) return for_each_run<N>(shape, strides, body);
  const std::int64_t slice = count / shape[axis];
  parallel_for(shape[axis], std::max<std::int64_t>(grain / slice, 1),
               [&](std::int64_t begin, std::int64_t end) {
                 Shape part = shape;
                 part[axis] = end - begin;
                 for_each_run<N>(part, strides,
                                 [&](const auto& offsets, std::int64_t length, const auto& steps) {
                                   auto moved = offsets;
                                   for (int n = 0; n < N; ++n) moved[n] += begin * strides[n][axis];
                                   body(moved, length, steps);
                                 });
               });
}

}  // namespace quern
