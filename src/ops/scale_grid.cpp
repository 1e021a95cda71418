#include "ops/scale_grid.h"

#include "core/error.h"
#include "core/format.h"

namespace quern::ops {

ScaleGrid::ScaleGrid(const char* operation, const Shape& shape, const Tensor& scale,
                     const std::optional<Tensor>& zero_point, const ScaleAxis& along)
    : scale_(scale.cast(DType::f32).contiguous()),
      zero_(zero_point ? zero_point->cast(DType::f32).contiguous() : Tensor::zeros(scale.shape())) {
  require(zero_.numel() == scale_.numel(), "{}: scale {} and zero point {} differ in shape",
          operation, scale.shape(), zero_.shape());
  inner_ = shape.numel();
  if (along.block_size == 0 && scale.numel() == 1) return;
  const int rank = shape.rank();
  require(along.axis >= -rank && along.axis < rank, "{}: axis {} is out of range for shape {}",
          operation, along.axis, shape);
  const int axis = along.axis < 0 ? along.axis + rank : along.axis;
  size_ = shape[axis];
  inner_ = 1;
  for (int i = 0; i < axis; ++i) outer_ *= shape[i];
  for (int i = axis + 1; i < rank; ++i) inner_ *= shape[i];
  if (along.block_size == 0) {
    require(scale.shape() == Shape{size_}, "{}: expected a scale [{}] for axis {} of {}, got {}",
            operation, size_, along.axis, shape, scale.shape());
    if (inner_ == 1) {  // one run a row, each element with a scale of its own
      inner_ = size_;
      size_ = 1;
      step_ = 1;
    }
    return;
  }
  require(along.block_size > 0, "{}: block size {} is negative", operation, along.block_size);
  block_ = along.block_size;
  step_ = 1;
  Shape blocks = shape;
  blocks[axis] = block_count();
  require(scale.shape() == blocks, "{}: expected a scale {} for blocks of {} in {}, got {}",
          operation, blocks, block_, shape, scale.shape());
}

std::int64_t ScaleGrid::block_count() const {
  return size_ / block_ + (size_ % block_ != 0 ? 1 : 0);
}

std::int64_t ScaleGrid::scale_index(std::int64_t element) const {
  const std::int64_t row = element / inner_;
  const std::int64_t column = element % inner_;
  if (block_ > 0) {
    return (row / size_ * block_count() + row % size_ / block_) * inner_ + column;
  }
  return step_ == 1 ? column : row % size_;
}

}  // namespace quern::ops
