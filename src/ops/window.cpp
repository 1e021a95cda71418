#include "ops/window.h"

#include "core/error.h"
#include "core/format.h"

namespace quern::ops {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1} << 30;  // oneDNN counts in int
constexpr std::int64_t kMostPlaces = std::int64_t{1} << 27;

/// For each place of the result and element of its window, `find(place, element)`.
template <class Find>
Tensor tabulate(std::int64_t result, std::int64_t kernel, const Find& find) {
  if (result > kMostPlaces / kernel)
    fail(ErrorCode::unsupported, "windows of {} elements at {} places are too many", kernel,
         result);
  Tensor places = Tensor::empty({result, kernel}, DType::i64);
  auto place = places.mutable_data<std::int64_t>().begin();
  for (std::int64_t i = 0; i < result; ++i) {
    for (std::int64_t k = 0; k < kernel; ++k) *place++ = find(i, k);
  }
  return places;
}

}  // namespace

int spatial_rank(const char* operation, const Shape& shape) {
  require(shape.rank() >= 3 && shape.rank() <= 5,
          "{}: expected [batch, channels, ...] with 1 to 3 spatial axes, got {}", operation, shape);
  for (const std::int64_t size : shape)
    require(size <= kLargest, "{}: {} is too large", operation, shape);
  return shape.rank() - 2;
}

Shape resolve_values(const char* operation, const char* what, int rank, const Shape& values,
                     std::int64_t otherwise, std::int64_t least) {
  if (values.rank() == 0) return Shape::filled(rank, otherwise);
  require(values.rank() == rank, "{}: {} {} for {} spatial axes", operation, what, values, rank);
  for (const std::int64_t value : values) {
    require(value >= least && value <= kLargest, "{}: {} {}: expected {} or more", operation, what,
            values, least);
  }
  return values;
}

backend::Window resolve_window(const char* operation, int rank, const Shape& strides,
                               const Shape& dilations, const Shape& pads_begin,
                               const Shape& pads_end) {
  return {.strides = resolve_values(operation, "strides", rank, strides, 1, 1),
          .dilations = resolve_values(operation, "dilations", rank, dilations, 1, 1),
          .pads_begin = resolve_values(operation, "pads_begin", rank, pads_begin, 0, 0),
          .pads_end = resolve_values(operation, "pads_end", rank, pads_end, 0, 0)};
}

Tensor window_places(std::int64_t size, std::int64_t result, std::int64_t kernel,
                     const backend::Window& window, int axis) {
  return tabulate(result, kernel, [&](std::int64_t i, std::int64_t k) {
    const std::int64_t place =
        i * window.strides[axis] - window.pads_begin[axis] + k * window.dilations[axis];
    return place >= 0 && place < size ? place : -1;
  });
}

Tensor transposed_places(std::int64_t size, std::int64_t result, std::int64_t kernel,
                         const backend::Window& window, int axis) {
  return tabulate(result, kernel, [&](std::int64_t i, std::int64_t k) {
    const std::int64_t moved = i + window.pads_begin[axis] - k * window.dilations[axis];
    const std::int64_t place = moved / window.strides[axis];
    const bool hit = moved >= 0 && moved % window.strides[axis] == 0 && place < size;
    return hit ? place : -1;
  });
}

}  // namespace quern::ops
