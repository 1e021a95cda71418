#include "onnx/window.h"

#include <algorithm>

#include "core/error.h"

namespace quern::onnx {
namespace {

// A product of two fits in 64 bits.
constexpr std::int64_t kLargestWindow = std::int64_t{1} << 30;

Shape shape_of(const Node& node, std::string_view name) {
  return Shape(node.attributes.ints(name));
}

}  // namespace

WindowAttributes::WindowAttributes(const Node& node)
    : kernel(shape_of(node, "kernel_shape")),
      strides(shape_of(node, "strides")),
      dilations(shape_of(node, "dilations")) {
  const Shape pads = shape_of(node, "pads");
  if (pads.rank() % 2 != 0)
    fail(ErrorCode::corrupt_file, "{}: an odd number of pads", node.op_type);
  for (int axis = 0; axis < pads.rank(); ++axis) {
    if (pads[axis] < -kLargestWindow || pads[axis] > kLargestWindow)
      fail(ErrorCode::corrupt_file, "{}: a pad of {}", node.op_type, pads[axis]);
    (axis < pads.rank() / 2 ? given_.begin : given_.end).push_back(pads[axis]);
  }
  const std::string mode = node.attributes.get("auto_pad", "NOTSET");
  if (mode == "VALID") {
    auto_ = Auto::valid;
  } else if (mode == "SAME_UPPER") {
    auto_ = Auto::same_upper;
  } else if (mode == "SAME_LOWER") {
    auto_ = Auto::same_lower;
  } else if (mode != "NOTSET" && !mode.empty()) {
    fail(ErrorCode::corrupt_file,
         "{}: auto_pad is \"{}\"; known: NOTSET, VALID, SAME_UPPER, SAME_LOWER", node.op_type,
         mode);
  }
  for (const Shape* values : {&kernel, &strides, &dilations}) {
    for (const std::int64_t value : *values) {
      if (value <= 0 || value > kLargestWindow)
        fail(ErrorCode::corrupt_file, "{}: a window's size, stride or dilation of {}", node.op_type,
             value);
    }
  }
}

std::int64_t WindowAttributes::reach(const Shape& kernel_sizes, int axis) const {
  require(kernel_sizes[axis] <= kLargestWindow, "a window of {} elements", kernel_sizes[axis]);
  return (dilations.rank() == 0 ? 1 : dilations[axis]) * (kernel_sizes[axis] - 1) + 1;
}

void WindowAttributes::split(std::int64_t total, bool more_at_end, Pads& pads) const {
  const std::int64_t half = total / 2;
  pads.begin.push_back(more_at_end ? half : total - half);
  pads.end.push_back(more_at_end ? total - half : half);
}

bool WindowAttributes::meet_elements() const {
  const auto is_positive = [](std::int64_t pad) { return pad > 0; };
  const bool is_padded = auto_ == Auto::none ? std::ranges::any_of(given_.begin, is_positive) ||
                                                   std::ranges::any_of(given_.end, is_positive)
                                             : auto_ != Auto::valid;
  if (!is_padded) return true;
  if (std::ranges::any_of(dilations, [](std::int64_t dilation) { return dilation != 1; }))
    return false;
  const auto are_within = [this](const Shape& pads) {
    for (int axis = 0; axis < pads.rank(); ++axis) {
      if (axis >= kernel.rank() || pads[axis] >= kernel[axis]) return false;
    }
    return true;
  };
  return auto_ != Auto::none || (are_within(given_.begin) && are_within(given_.end));
}

WindowAttributes::Pads WindowAttributes::pads(const Shape& shape, const Shape& kernel_sizes) const {
  if (auto_ == Auto::none) return given_;
  if (auto_ == Auto::valid) return {};
  const int rank = shape.rank() - 2;
  require(kernel_sizes.rank() == rank && (strides.rank() == 0 || strides.rank() == rank) &&
              (dilations.rank() == 0 || dilations.rank() == rank),
          "a window of another rank than its source");
  Pads pads;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t size = shape[axis + 2];
    const std::int64_t result = (size + stride(axis) - 1) / stride(axis);
    const std::int64_t total = (result - 1) * stride(axis) + reach(kernel_sizes, axis) - size;
    split(std::max<std::int64_t>(total, 0), auto_ == Auto::same_upper, pads);
  }
  return pads;
}

WindowAttributes::Pads WindowAttributes::transposed_pads(const Shape& shape,
                                                         const Shape& kernel_sizes,
                                                         const Shape& sizes,
                                                         Shape& output_padding) const {
  const bool same = auto_ == Auto::same_upper || auto_ == Auto::same_lower;
  if (sizes.rank() == 0 && !same) return auto_ == Auto::valid ? Pads{} : given_;
  const int rank = shape.rank() - 2;
  require(kernel_sizes.rank() == rank && (sizes.rank() == 0 || sizes.rank() == rank) &&
              (strides.rank() == 0 || strides.rank() == rank) &&
              (dilations.rank() == 0 || dilations.rank() == rank),
          "a window of another rank than its source");
  if (output_padding.rank() == 0) output_padding = Shape::filled(rank, 0);
  require(output_padding.rank() == rank, "output_padding of another rank than the source");
  Pads pads;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t wanted = sizes.rank() == 0 ? shape[axis + 2] * stride(axis) : sizes[axis];
    const std::int64_t total = stride(axis) * (shape[axis + 2] - 1) + output_padding[axis] +
                               reach(kernel_sizes, axis) - wanted;
    if (total < 0) output_padding[axis] -= total;
    split(std::max<std::int64_t>(total, 0), auto_ == Auto::same_upper, pads);
  }
  return pads;
}

}  // namespace quern::onnx
