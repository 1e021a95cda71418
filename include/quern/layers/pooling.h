#pragma once

#include "quern/layers/activation.h"

namespace quern {

/// Sizes are a value for each spatial axis, one value for all of them, or none for the default.
struct PoolSettings {
  Shape stride{};   ///< default: the kernel
  Shape padding{};  ///< places at both ends; default 0
  bool ceil_mode = false;
};

/// The largest element of each window of [batch, channels, ...], over 1 to 3 spatial axes.
class QUERN_API MaxPool : public Activation {
 public:
  explicit MaxPool(const Shape& kernel, const PoolSettings& settings = {},
                   const Shape& dilation = {})
      : kernel_(kernel), settings_(settings), dilation_(dilation) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  Shape kernel_;
  PoolSettings settings_;
  Shape dilation_;
};

/// The average of each window, of its places with `padding` as PyTorch does.
class QUERN_API AvgPool : public Activation {
 public:
  explicit AvgPool(const Shape& kernel, const PoolSettings& settings = {},
                   ops::AverageOver over = ops::AverageOver::places)
      : kernel_(kernel), settings_(settings), over_(over) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  Shape kernel_;
  PoolSettings settings_;
  ops::AverageOver over_;
};

/// Averages [batch, channels, height, width] to the given height and width.
class QUERN_API AdaptiveAvgPool2d : public Activation {
 public:
  explicit AdaptiveAvgPool2d(const Shape& sizes) : sizes_(sizes) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  Shape sizes_;
};

/// The average of all places: [batch, channels, ...] -> [batch, channels, 1, ...].
class QUERN_API GlobalAvgPool : public Activation {
 public:
  Tensor operator()(const Tensor& x) const override;
};

/// Joins the axes from `first_axis` on: [batch, channels, height, width] -> [batch, ...].
class QUERN_API Flatten : public Activation {
 public:
  explicit Flatten(int first_axis = 1) : first_axis_(first_axis) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  int first_axis_;
};

/// Does nothing: what nn.Dropout does outside training.
class QUERN_API Dropout : public Activation {
 public:
  Tensor operator()(const Tensor& x) const override;
};

}  // namespace quern
