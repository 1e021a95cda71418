#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "quern/layers.h"
#include "support/op_check.h"

namespace quern {

/// Weights as layers_goldens.py makes them: seeds from 10 on in the order of the names.
inline Weights golden_weights(const std::map<std::string, Shape>& shapes,
                              DType dtype = DType::f32) {
  std::map<std::string, Weight> weights;
  std::uint32_t seed = 10;
  for (const auto& [name, shape] : shapes) {
    Tensor values = hashed_tensor(seed++, shape);
    for (float& value : values.mutable_data<float>()) value /= 2;
    weights.emplace(name, values.cast(dtype));
  }
  return Weights(std::move(weights));
}

inline void check_layer(const std::string& golden, const Tensor& result, std::int64_t terms,
                        const std::string& file = "layers_goldens") {
  const Weights goldens = Weights::open("tests/data/" + file + ".safetensors");
  const std::string wrong = difference(result, goldens.tensor(golden), terms);
  CHECK_MESSAGE(wrong.empty(), golden << ": " << wrong);
}

}  // namespace quern
