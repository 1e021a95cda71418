#include "quern/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"
#include "core/format.h"

namespace quern {

Shape::Shape(std::span<const std::int64_t> dims) {
  require(dims.size() <= kMaxRank, "shape: expected at most {} axes, got {}", int{kMaxRank},
          dims.size());
  std::copy(dims.begin(), dims.end(), dims_.begin());
  rank_ = static_cast<int>(dims.size());
}

Shape Shape::filled(int rank, std::int64_t value) {
  require(rank >= 0 && rank <= kMaxRank, "shape: expected at most {} axes, got {}", int{kMaxRank},
          rank);
  Shape shape;
  shape.rank_ = rank;
  std::fill_n(shape.dims_.begin(), rank, value);
  return shape;
}

std::int64_t Shape::numel() const {
  std::int64_t count = 1;  // sizes of 0 counting as 1, so that strides and offsets fit too
  for (const std::int64_t dim : *this) {
    require(dim >= 0, "shape: negative size in {}", *this);
    require(!__builtin_mul_overflow(count, std::max<std::int64_t>(dim, 1), &count),
            "shape: {} has more than 2^63 - 1 elements", *this);
  }
  return std::find(begin(), end(), 0) == end() ? count : 0;
}

std::int64_t Shape::dim(int axis) const {
  require(axis >= -rank_ && axis < rank_, "axis {} is out of range for shape {}", axis, *this);
  return (*this)[axis < 0 ? axis + rank_ : axis];
}

void Shape::push_back(std::int64_t dim) {
  require(rank_ < kMaxRank, "shape: expected at most {} axes", int{kMaxRank});
  (*this)[rank_++] = dim;
}

bool Shape::operator==(const Shape& other) const noexcept {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

Shape row_major_strides(const Shape& shape) {
  Shape strides = Shape::filled(shape.rank(), 1);
  for (int axis = shape.rank() - 2; axis >= 0; --axis) {
    strides[axis] = strides[axis + 1] * std::max<std::int64_t>(shape[axis + 1], 1);
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape shape = Shape::filled(rank, 1);
  for (int axis = 0; axis < rank; ++axis) {
    const int from_a = axis - (rank - a.rank());
    const int from_b = axis - (rank - b.rank());
    const std::int64_t dim_a = from_a < 0 ? 1 : a[from_a];
    const std::int64_t dim_b = from_b < 0 ? 1 : b[from_b];
    require(dim_a == dim_b || dim_a == 1 || dim_b == 1, "broadcast: {} and {} do not fit together",
            a, b);
    shape[axis] = dim_a == 1 ? dim_b : dim_a;
  }
  return shape;
}

}  // namespace quern
