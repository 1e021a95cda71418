#pragma once

#include <array>
#include <cstdint>

#include "quern/shape.h"

namespace quern {

/// Walks N tensors of one shape, each with strides of its own, row by row: calls
/// `body(offsets, inner_count, inner_strides)` for each run along the innermost axis. Axes that are
/// contiguous in every tensor are merged first, so dense tensors give one long run.
template <int N, class Body>
void for_each_run(const Shape& shape, const std::array<Shape, N>& strides, const Body& body) {
  Shape dims;
  std::array<Shape, N> steps;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 0) return;
    if (shape[axis] == 1) continue;
    const int last = dims.rank() - 1;
    bool mergeable = last >= 0;
    for (int n = 0; mergeable && n < N; ++n) {
      mergeable = steps[n][last] == strides[n][axis] * shape[axis];
    }
    if (mergeable) {
      dims[last] *= shape[axis];
      for (int n = 0; n < N; ++n) steps[n][last] = strides[n][axis];
    } else {
      dims.push_back(shape[axis]);
      for (int n = 0; n < N; ++n) steps[n].push_back(strides[n][axis]);
    }
  }
  if (dims.rank() == 0) {
    dims.push_back(1);
    for (int n = 0; n < N; ++n) steps[n].push_back(0);
  }
  const int inner = dims.rank() - 1;
  std::array<std::int64_t, N> inner_strides;
  for (int n = 0; n < N; ++n) inner_strides[n] = steps[n][inner];
  std::array<std::int64_t, N> offsets{};
  Shape index = Shape::filled(dims.rank(), 0);
  for (;;) {
    body(offsets, dims[inner], inner_strides);
    int axis = inner - 1;
    for (; axis >= 0; --axis) {
      for (int n = 0; n < N; ++n) offsets[n] += steps[n][axis];
      if (++index[axis] < dims[axis]) break;
      for (int n = 0; n < N; ++n) offsets[n] -= steps[n][axis] * dims[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace quern
