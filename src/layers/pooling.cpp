#include "quern/layers/pooling.h"

#include "layers/spatial.h"

namespace quern {
namespace {

ops::PoolOptions options_for(const char* layer, const Tensor& x, const Shape& kernel,
                             const PoolSettings& settings) {
  require(x.rank() >= 3 && x.rank() <= 5,
          "{}: expected [batch, channels, ...] with 1 to 3 spatial axes, got {}", layer, x.shape());
  require(kernel.rank() > 0, "{}: no kernel", layer);
  const int rank = x.rank() - 2;
  const Shape padding = for_axes(layer, "padding", rank, settings.padding);
  const Shape sizes = for_axes(layer, "kernel", rank, kernel);
  const bool has_stride = settings.stride.rank() > 0;
  return {.kernel = sizes,
          .strides = has_stride ? for_axes(layer, "stride", rank, settings.stride) : sizes,
          .pads_begin = padding,
          .pads_end = padding,
          .ceil_mode = settings.ceil_mode};
}

}  // namespace

Tensor MaxPool::operator()(const Tensor& x) const {
  ops::PoolOptions options = options_for("MaxPool", x, kernel_, settings_);
  options.dilations = for_axes("MaxPool", "dilation", x.rank() - 2, dilation_);
  return ops::max_pool(x, options);
}

Tensor AvgPool::operator()(const Tensor& x) const {
  return ops::avg_pool(x, options_for("AvgPool", x, kernel_, settings_), over_);
}

Tensor AdaptiveAvgPool2d::operator()(const Tensor& x) const {
  require(x.rank() == 4, "AdaptiveAvgPool2d: expected [batch, channels, height, width], got {}",
          x.shape());
  return ops::adaptive_avg_pool(x, for_axes("AdaptiveAvgPool2d", "sizes", 2, sizes_));
}

Tensor GlobalAvgPool::operator()(const Tensor& x) const { return ops::global_avg_pool(x); }

Tensor Flatten::operator()(const Tensor& x) const {
  require(first_axis_ >= -x.rank() && first_axis_ < x.rank(),
          "Flatten: axis {} is out of range for shape {}", first_axis_, x.shape());
  const int first = first_axis_ < 0 ? first_axis_ + x.rank() : first_axis_;
  Shape shape;
  std::int64_t joined = 1;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < first) {
      shape.push_back(x.shape()[axis]);
    } else {
      joined *= x.shape()[axis];
    }
  }
  shape.push_back(joined);
  return x.reshape(shape);
}

Tensor Dropout::operator()(const Tensor& x) const { return x; }

}  // namespace quern
