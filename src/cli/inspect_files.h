#pragma once

#include <string>

namespace quern::cli {

/// Whether `path` is a .onnx file, or a single .safetensors file.
bool is_onnx_file(const std::string& path);
bool is_safetensors_file(const std::string& path);

/// Print what such a file holds. Throw: as onnx::inspect and Weights::open.
void inspect_onnx(const std::string& path, bool as_json);
void inspect_safetensors(const std::string& path, bool as_json);

}  // namespace quern::cli
