#pragma once

#include <cmath>

#include "quern/tensor.h"

namespace quern {

/// sin(step), sin(2 step), ...: numbers from -1 to 1 in no simple order.
inline Tensor waves(const Shape& shape, float step) {
  Tensor x = Tensor::empty(shape);
  float at = 0;
  for (float& value : x.mutable_data<float>()) value = std::sin(at += step);
  return x;
}

}  // namespace quern
