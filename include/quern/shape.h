#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "quern/export.h"

namespace quern {

/// The sizes of a tensor's axes, outermost first: `Shape{2, 5}`. A scalar has rank 0.
///
/// A plain value without an allocation; also used for strides and for lists of axes.
class QUERN_API Shape {
 public:
  static constexpr int kMaxRank = 12;

  Shape() = default;
  /// Throws: `invalid_argument` above kMaxRank axes.
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims);
  static Shape filled(int rank, std::int64_t value);

  int rank() const noexcept { return rank_; }
  /// Product of all sizes; 1 for a scalar. Throws: `invalid_argument` past 2^63 - 1, 0 being as 1.
  std::int64_t numel() const;

  std::int64_t operator[](int axis) const noexcept { return dims_[static_cast<unsigned>(axis)]; }
  std::int64_t& operator[](int axis) noexcept { return dims_[static_cast<unsigned>(axis)]; }
  /// Size of `axis`, counted from the end when negative. Throws: `invalid_argument` out of range.
  std::int64_t dim(int axis) const;

  const std::int64_t* begin() const noexcept { return dims_.data(); }
  const std::int64_t* end() const noexcept { return dims_.data() + rank_; }
  void push_back(std::int64_t dim);

  bool operator==(const Shape& other) const noexcept;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// "[2, 5]"; "[]" for a scalar.
QUERN_API std::string to_string(const Shape& shape);

/// Strides, in elements, of a row-major tensor without gaps.
QUERN_API Shape row_major_strides(const Shape& shape);

/// The shape that NumPy's broadcasting gives for `a` with `b`. Throws: `invalid_argument`.
QUERN_API Shape broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace quern
