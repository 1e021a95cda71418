#pragma once

#include <string>

#include "quern/onnx.h"

namespace quern::cli {

/// "x f32 [batch, 3, ?]": name, dtype, shape; what is not declared is left out, or "?".
std::string describe(const onnx::ValueInfo& info);

}  // namespace quern::cli
