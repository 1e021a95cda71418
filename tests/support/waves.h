#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "quern/tensor.h"

namespace quern {

/// sin(step), sin(2 step), ...: numbers from -1 to 1 in no simple order.
inline std::vector<float> wave(std::int64_t count, float step) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(step * static_cast<float>(i + 1));
  return values;
}

inline Tensor waves(const Shape& shape, float step) {
  return Tensor::from(wave(shape.numel(), step), shape);
}

}  // namespace quern
