#pragma once

#include "onnx/kernel.h"

namespace quern::onnx {

/// Whether an operator computes each element of its result from the elements at the same place, so
/// that any order of axes will do.
bool is_elementwise(const Node& node);

/// A kernel of an elementwise operator that sees inputs as row-major where they lie in another
/// order of axes without gaps, channels last say, and gives its result in that order: nothing is
/// copied.
KernelPtr keep_layout(KernelPtr kernel);

}  // namespace quern::onnx
