#include "cli/onnx_cases.h"

#include <algorithm>

#include "quern/error.h"

namespace quern::cli {
namespace {

namespace fs = std::filesystem;
using onnx::ModelInfo;
using onnx::ValueInfo;
using onnx::Values;

onnx::Value open(const fs::path& file, const ValueInfo& info) {
  if (info.is_optional) return onnx::Value::open(file.string(), onnx::ValueKind::none);
  return onnx::Value::open(file.string(), info.kind);
}

/// PREFIX_0.pb, PREFIX_1.pb, ... as the values of `infos` in order.
Values open_all(const fs::path& folder, const std::string& prefix,
                const std::vector<ValueInfo>& infos) {
  Values values;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    const fs::path file = folder / (prefix + "_" + std::to_string(i) + ".pb");
    if (fs::exists(file)) values.emplace(infos[i].name, open(file, infos[i]));
  }
  return values;
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  std::ranges::sort(entries);
  return entries;
}

OnnxCase standard_case(const fs::path& folder) {
  OnnxCase found{folder.filename().string(), folder / "model.onnx", {}};
  for (const fs::path& entry : sorted_entries(folder)) {
    if (!entry.filename().string().starts_with("test_data_set_")) continue;
    found.examples.push_back(
        {entry.filename().string(),
         [entry](const ModelInfo& info) { return open_all(entry, "input", info.inputs); },
         [entry](const ModelInfo& info) { return open_all(entry, "output", info.outputs); }});
  }
  return found;
}

/// The input that the flat models are tested with: arange(n) / n in the declared shape.
Values ramp(const ModelInfo& info) {
  Values values;
  for (const ValueInfo& input : info.inputs) {
    Shape shape;
    for (const std::int64_t dim : input.dims) shape.push_back(dim < 0 ? 1 : dim);
    Tensor tensor = Tensor::empty(shape);
    const auto elements = tensor.mutable_data<float>();
    for (std::size_t i = 0; i < elements.size(); ++i)
      elements[i] =
          static_cast<float>(static_cast<double>(i) / static_cast<double>(elements.size()));
    values.emplace(input.name, tensor);
  }
  return values;
}

OnnxCase flat_case(const fs::path& model) {
  const fs::path folder = model.parent_path();
  const std::string stem = model.stem().string();
  return {stem, model, {{"ramp", ramp, [folder, stem](const ModelInfo& info) {
                           return open_all(folder, stem + "_output", info.outputs);
                         }}}};
}

}  // namespace

std::vector<OnnxCase> find_onnx_cases(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw Error(ErrorCode::not_found, "onnx-test: no folder \"" + folder.string() + "\"");
  std::vector<OnnxCase> cases;
  if (fs::exists(folder / "model.onnx")) cases.push_back(standard_case(folder));
  for (const fs::path& entry : sorted_entries(folder)) {
    if (fs::exists(entry / "model.onnx")) cases.push_back(standard_case(entry));
    const bool flat = entry.extension() == ".onnx" &&
                      fs::exists(folder / (entry.stem().string() + "_output_0.pb"));
    if (flat) cases.push_back(flat_case(entry));
  }
  if (cases.empty())
    throw Error(ErrorCode::not_found, "onnx-test: no cases in \"" + folder.string() + "\"");
  return cases;
}

}  // namespace quern::cli
