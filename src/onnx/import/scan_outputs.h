#pragma once

#include <span>

#include "onnx/executable.h"

namespace quern::onnx {

/// What a Loop or Scan collects of output `output` of its body, stacked along a new first axis; of
/// no iterations, as much as the body declares: [0, ...].
Tensor stack_iterations(std::span<const Tensor> items, const Graph& body, std::size_t output);

}  // namespace quern::onnx
