#pragma once

#include "onnx/graph.h"
#include "quern/shape.h"

namespace quern::onnx {

/// The attributes of Conv, the pools and their kin that say how a window moves. Where `auto_pad`
/// asks for them, pads follow from the shape of the source.
class WindowAttributes {
 public:
  explicit WindowAttributes(const Node& node);

  /// Empty where the node has none.
  Shape kernel, strides, dilations;

  /// Whether each window on a source of any sizes but 0 has an element of it, and not pads alone.
  bool meet_elements() const;

  struct Pads {
    Shape begin, end;
  };
  /// For windows of `kernel_sizes` on a source of `shape` [batch, channels, ...].
  Pads pads(const Shape& shape, const Shape& kernel_sizes) const;
  /// Of a transposed convolution whose result has `sizes`, or the usual ones where they are none;
  /// where the window leaves the result too small, `output_padding` grows.
  Pads transposed_pads(const Shape& shape, const Shape& kernel_sizes, const Shape& sizes,
                       Shape& output_padding) const;

 private:
  enum class Auto { none, valid, same_upper, same_lower };
  std::int64_t stride(int axis) const { return strides.rank() == 0 ? 1 : strides[axis]; }
  std::int64_t reach(const Shape& kernel_sizes, int axis) const;
  void split(std::int64_t total, bool more_at_end, Pads& pads) const;

  Auto auto_ = Auto::none;
  Pads given_;
};

}  // namespace quern::onnx
