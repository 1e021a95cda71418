#pragma once

#include <span>
#include <vector>

#include "onnx/kernel.h"

namespace quern::onnx {

/// What a Loop or Scan collects of an output of its body, one or more, stacked along a new first
/// axis.
Tensor stack_iterations(std::span<const Tensor> items);

/// What it collects of the outputs of `body` from `first` on where there are no iterations: [0,
/// ...] as the body declares them, sizes that are not known as 0; where it declares no shape or
/// dtype, as an iteration of `arguments` would give.
std::vector<Tensor> stack_of_nothing(const Subgraph& body, std::size_t first,
                                     std::span<const Value> arguments, const Inputs& captured);

}  // namespace quern::onnx
