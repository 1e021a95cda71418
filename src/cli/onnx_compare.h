#pragma once

#include <string>

#include "quern/onnx.h"

namespace quern::cli {

/// The largest difference that counts as none: |got - want| <= absolute + relative * |want|.
struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-5;
};

/// How `got` differs from `want`, for a person to read; empty where it does not. Narrow floats are
/// allowed a rounding of theirs.
std::string difference(const onnx::Value& got, const onnx::Value& want, const Tolerance& tolerance);

}  // namespace quern::cli
