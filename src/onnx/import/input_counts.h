#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace quern::onnx {

/// The most inputs that the standard gives an operator of `ai.onnx` ("") or `ai.onnx.ml` at an
/// opset; the largest number for one that takes any, or that it does not know.
std::size_t most_inputs(std::string_view domain, std::string_view op_type, std::int64_t opset);

}  // namespace quern::onnx
