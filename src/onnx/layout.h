#pragma once

#include "onnx/kernel.h"

namespace quern::onnx {

/// A kernel of an elementwise operator that sees inputs as row-major where they lie in another
/// order of axes without gaps, channels last say, and gives its result in that order: nothing is
/// copied.
KernelPtr keep_layout(KernelPtr kernel);

}  // namespace quern::onnx
