#include <cmath>
#include <utility>
#include <vector>

#include "ops/rows.h"
#include "quern/ops.h"

namespace quern::ops {
namespace {

/// By Gaussian elimination with partial pivoting; overwrites `matrix` [n, n].
double determinant(std::vector<double>& matrix, std::int64_t n) {
  const auto at = [&](std::int64_t row, std::int64_t column) -> double& {
    return matrix[static_cast<std::size_t>(row * n + column)];
  };
  double product = 1;
  for (std::int64_t step = 0; step < n; ++step) {
    std::int64_t pivot = step;
    for (std::int64_t row = step + 1; row < n; ++row) {
      if (std::abs(at(row, step)) > std::abs(at(pivot, step))) pivot = row;
    }
    if (at(pivot, step) == 0) return 0;
    if (pivot != step) {
      product = -product;
      for (std::int64_t column = step; column < n; ++column)
        std::swap(at(step, column), at(pivot, column));
    }
    product *= at(step, step);
    for (std::int64_t row = step + 1; row < n; ++row) {
      const double factor = at(row, step) / at(step, step);
      for (std::int64_t column = step; column < n; ++column)
        at(row, column) -= factor * at(step, column);
    }
  }
  return product;
}

}  // namespace

Tensor det(const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorCode::unsupported, "det: expected a floating dtype, got {}", x.dtype());
  require(x.rank() >= 2 && x.dim(-1) == x.dim(-2), "det: expected square matrices, got {}",
          x.shape());
  const std::int64_t n = x.dim(-1);
  const Shape shape(std::span(x.shape().begin(), static_cast<std::size_t>(x.rank() - 2)));
  const Tensor wide = x.cast(DType::f64).contiguous();
  Tensor values = Tensor::empty(shape, DType::f64);
  const double* src = wide.data<double>().data();
  double* dst = values.mutable_data<double>().data();
  for_each_row(shape.numel(), n * n, [&](std::int64_t i) {
    std::vector<double> matrix(src + i * n * n, src + (i + 1) * n * n);
    dst[i] = determinant(matrix, n);
  });
  return values.cast(x.dtype());
}

}  // namespace quern::ops
