#pragma once

#include <string>

#include "quern/ops/convolution.h"
#include "quern/ops/pooling.h"
#include "support/golden_case.h"

namespace quern {

/// "2+1" as a shape; none where the option is not given.
inline Shape numbers(const GoldenCase& given, const std::string& name) {
  Shape values;
  const std::string text = given.text(name);
  for (const auto part : golden::split(text, '+')) values.push_back(std::stoll(std::string(part)));
  return values;
}

struct Pads {
  Shape begin, end;
};

inline Pads pads_of(const GoldenCase& given) {
  const Shape both = numbers(given, "pads");
  Pads pads;
  for (int axis = 0; axis < both.rank(); ++axis)
    (axis < both.rank() / 2 ? pads.begin : pads.end).push_back(both[axis]);
  return pads;
}

inline ops::ConvOptions conv_options(const GoldenCase& given) {
  const Pads pads = pads_of(given);
  return {.strides = numbers(given, "strides"),
          .dilations = numbers(given, "dilations"),
          .pads_begin = pads.begin,
          .pads_end = pads.end,
          .groups = static_cast<std::int64_t>(given.number("groups", 1))};
}

inline ops::PoolOptions pool_options(const GoldenCase& given) {
  const Pads pads = pads_of(given);
  return {.kernel = numbers(given, "kernel"),
          .strides = numbers(given, "strides"),
          .dilations = numbers(given, "dilations"),
          .pads_begin = pads.begin,
          .pads_end = pads.end,
          .ceil_mode = given.number("ceil", 0) != 0};
}

}  // namespace quern
