#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ops/constant_weight.h"
#include "ops/packed_conv.h"

namespace quern::ops {

/// The elements of a convolution's window, each a convolution of 1x1 that adds to the result.
class TapConv {
 public:
  /// Those of weight [out, in, ...] over one axis or two, in order; made once.
  const std::vector<PackedConv>& of(const ConstantWeight& weight);

 private:
  std::mutex mutex_;
  std::vector<PackedConv> taps_;
};

/// A convolution of f32 with dilations for which oneDNN gathers whole windows: element by element
/// of the window instead, those that lie beyond src's rows left out.
bool run_by_taps(const ConvArgs& args);

}  // namespace quern::ops
