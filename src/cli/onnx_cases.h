#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "quern/onnx.h"

namespace quern::cli {

/// One set of inputs of a model and the outputs expected, in the order of the model's own.
struct OnnxExample {
  std::string name;
  std::function<onnx::Values(const onnx::ModelInfo&)> inputs;
  std::function<onnx::Values(const onnx::ModelInfo&)> outputs;
};

struct OnnxCase {
  std::string name;
  std::filesystem::path model;
  std::vector<OnnxExample> examples;
};

/// The cases of a folder, or of the folders in it: `model.onnx` with `test_data_set_*`, or flat
/// `X.onnx` with `X_output_0.pb`, sorted by name. Throws: `not_found` where there are none.
std::vector<OnnxCase> find_onnx_cases(const std::filesystem::path& folder);

}  // namespace quern::cli
