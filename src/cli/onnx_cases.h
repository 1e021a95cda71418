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

/// The cases of a folder and, however deep, of the folders in it: `model.onnx` with
/// `test_data_set_*`, named by its folder; `X.onnx` with `X.ortref/`, with `test_data_*.npz`, or
/// flat with `X_output_0.pb`, named by the file. Throws: `not_found` where there are none.
std::vector<OnnxCase> find_onnx_cases(const std::filesystem::path& folder);

/// `example` repeated along every axis that is named, or not fixed, as the first axis of the first
/// input is. Its functions throw `unsupported` where that axis is fixed.
OnnxExample repeated(const OnnxExample& example, std::int64_t times);

}  // namespace quern::cli
