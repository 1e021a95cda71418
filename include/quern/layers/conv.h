#pragma once

#include <cstdint>
#include <memory>

#include "quern/layers/module.h"

namespace quern {

/// Sizes are a value for each spatial axis, one value for all of them, or none for the default.
struct ConvSettings {
  Shape stride{};    ///< default 1
  Shape padding{};   ///< zeros at both ends; default 0
  Shape dilation{};  ///< default 1
  std::int64_t groups = 1;
  bool bias = true;
};

/// What Conv1d, Conv2d and Conv3d share: [batch, in_channels, ...] -> [batch, out_channels, ...],
/// floating, computed in f32 or, for 16-bit floats, as they are.
/// Weights: "weight" [out_channels, in_channels / groups, ...] (ConvTranspose2d: [in_channels,
/// out_channels / groups, ...]) and, with `bias`, "bias" [out_channels].
class QUERN_API Conv : public Module {
 public:
  void load(const WeightsView& weights) override;
  Tensor operator()(const Tensor& x) const override;

 protected:
  /// A convolution over `spatial` axes. Throws: `invalid_argument`.
  Conv(int spatial, std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
       const ConvSettings& settings);
  void transpose(const Shape& output_padding);

 private:
  struct Impl;
  Shape weight_shape_;
  std::int64_t out_channels_;
  ConvSettings settings_;
  Shape output_padding_;
  bool transposed_ = false;
  std::shared_ptr<const Impl> impl_;
};

/// `kernel`: a value for each spatial axis, or one for all, as in `Conv2d{3, 16, {3}}`.
class QUERN_API Conv1d : public Conv {
 public:
  Conv1d(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
         const ConvSettings& settings = {})
      : Conv(1, in_channels, out_channels, kernel, settings) {}
};

class QUERN_API Conv2d : public Conv {
 public:
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
         const ConvSettings& settings = {})
      : Conv(2, in_channels, out_channels, kernel, settings) {}
};

class QUERN_API Conv3d : public Conv {
 public:
  Conv3d(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
         const ConvSettings& settings = {})
      : Conv(3, in_channels, out_channels, kernel, settings) {}
};

class QUERN_API ConvTranspose2d : public Conv {
 public:
  /// `output_padding`: added to the end of each axis of the result, below its stride.
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, const Shape& kernel,
                  const ConvSettings& settings = {}, const Shape& output_padding = {})
      : Conv(2, in_channels, out_channels, kernel, settings) {
    transpose(output_padding);
  }
};

}  // namespace quern
