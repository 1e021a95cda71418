#include "cli/onnx_cases.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "quern/error.h"
#include "quern/npy.h"
#include "quern/ops.h"

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
  OnnxCase found{{}, folder / "model.onnx", {}};
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
  return {{}, model, {{"ramp", ramp, [folder, stem](const ModelInfo& info) {
                         return open_all(folder, stem + "_output", info.outputs);
                       }}}};
}

bool is_fixed(const ValueInfo& info) {
  return info.has_shape && std::ranges::all_of(info.dims, [](auto dim) { return dim >= 0; });
}

/// `array` in the shape that `infos` declare, where it has as many elements: some writers lose a
/// rank.
Tensor as_declared(const Tensor& array, const std::string& name,
                   const std::vector<ValueInfo>& infos) {
  const auto info = std::ranges::find(infos, name, &ValueInfo::name);
  if (info == infos.end() || !is_fixed(*info)) return array;
  const Shape declared(info->dims);
  return declared.numel() == array.numel() ? array.reshape(declared) : array;
}

/// The arrays that meta.json lists under `kind`, by the names of the model's values.
Values open_listed(const fs::path& folder, const char* kind, const std::vector<ValueInfo>& infos) {
  std::ifstream file(folder / "meta.json");
  const auto meta = nlohmann::json::parse(file, nullptr, false);
  if (!meta.is_object() || !meta.contains(kind))
    throw Error(ErrorCode::corrupt_file, "onnx-test: \"" + (folder / "meta.json").string() +
                                             "\" does not list \"" + kind + "\"");
  Values values;
  for (const auto& entry : meta[kind]) {
    const std::string name = entry.value("name", "");
    const fs::path array = folder / entry.value("file", "");
    values.emplace(name, as_declared(read_npy(array.string()), name, infos));
  }
  return values;
}

OnnxCase reference_case(const fs::path& model, const fs::path& folder) {
  return {
      {},
      model,
      {{folder.filename().string(),
        [folder](const ModelInfo& info) { return open_listed(folder, "inputs", info.inputs); },
        [folder](const ModelInfo& info) { return open_listed(folder, "outputs", info.outputs); }}}};
}

/// The arrays of a .npz whose names begin with `kind`, in order, as the values of `infos`.
Values open_arrays(const fs::path& file, const std::string& kind,
                   const std::vector<ValueInfo>& infos) {
  Values values;
  auto info = infos.begin();
  for (const auto& [name, array] : read_npz(file.string())) {
    if (!name.starts_with(kind) || info == infos.end()) continue;
    values.emplace(info->name, as_declared(array, info->name, infos));
    ++info;
  }
  return values;
}

/// One example for each test_data_*.npz beside the model.
std::vector<OnnxExample> array_examples(const fs::path& folder) {
  std::vector<OnnxExample> examples;
  for (const fs::path& entry : sorted_entries(folder)) {
    const std::string name = entry.filename().string();
    if (!name.starts_with("test_data_") || entry.extension() != ".npz") continue;
    examples.push_back(
        {name, [entry](const ModelInfo& info) { return open_arrays(entry, "input", info.inputs); },
         [entry](const ModelInfo& info) { return open_arrays(entry, "output", info.outputs); }});
  }
  return examples;
}

/// The case of a model in `folder` by what lies beside it; nothing where nothing does.
std::optional<OnnxCase> case_of(const fs::path& model) {
  const fs::path folder = model.parent_path();
  const fs::path reference = fs::path(model).replace_extension(".ortref");
  if (fs::is_directory(reference)) return reference_case(model, reference);
  const std::string stem = model.stem().string();
  if (fs::exists(folder / (stem + "_output_0.pb"))) return flat_case(model);
  if (auto examples = array_examples(folder); !examples.empty())
    return OnnxCase{{}, model, std::move(examples)};
  if (stem == "model") return standard_case(folder);
  return std::nullopt;
}

/// Where a model of the standard's tests is the folder's only one, the folder names it.
std::string name_of(const fs::path& model, const fs::path& folder) {
  const fs::path path = fs::relative(model, folder).replace_extension();
  const bool is_standard =
      path.filename() == "model" && !fs::is_directory(fs::path(model).replace_extension(".ortref"));
  if (!is_standard) return path.string();
  return path.has_parent_path() ? path.parent_path().string()
                                : fs::absolute(model).parent_path().filename().string();
}

/// Of `folder` and, deeper and deeper, of the folders in it.
void add_cases(const fs::path& folder, const fs::path& top, std::vector<OnnxCase>& cases) {
  const std::vector<fs::path> entries = sorted_entries(folder);
  for (const fs::path& entry : entries) {
    if (entry.extension() != ".onnx" || !fs::is_regular_file(entry)) continue;
    auto found = case_of(entry);
    if (!found) continue;
    found->name = name_of(entry, top);
    cases.push_back(std::move(*found));
  }
  for (const fs::path& entry : entries) {
    if (fs::is_directory(entry) && !fs::is_symlink(entry)) add_cases(entry, top, cases);
  }
}

/// Axes of `info` that are as the batch's: of its name, or, where it has none, not fixed and first.
std::vector<int> batch_axes(const ValueInfo& info, const std::string& name) {
  std::vector<int> axes;
  for (std::size_t axis = 0; axis < info.dims.size(); ++axis) {
    const bool alike = name.empty() ? axis == 0 : info.dim_names[axis] == name;
    if (info.dims[axis] < 0 && alike) axes.push_back(static_cast<int>(axis));
  }
  return axes;
}

Values repeat(Values values, const std::vector<ValueInfo>& infos, const std::string& name,
              std::int64_t times) {
  for (const ValueInfo& info : infos) {
    const auto found = values.find(info.name);
    if (found == values.end() || !found->second.is_tensor()) continue;
    for (const int axis : batch_axes(info, name)) {
      const std::vector<Tensor> parts(static_cast<std::size_t>(times), found->second.tensor());
      found->second = ops::concat(parts, axis);
    }
  }
  return values;
}

/// The name of the axis along which a model takes batches.
std::string batch_name(const ModelInfo& info) {
  if (info.inputs.empty() || info.inputs[0].dims.empty() || info.inputs[0].dims[0] >= 0)
    throw Error(ErrorCode::unsupported, "the size of its batches is fixed");
  return info.inputs[0].dim_names[0];
}

}  // namespace

OnnxExample repeated(const OnnxExample& example, std::int64_t times) {
  return {example.name,
          [=](const ModelInfo& info) {
            return repeat(example.inputs(info), info.inputs, batch_name(info), times);
          },
          [=](const ModelInfo& info) {
            return repeat(example.outputs(info), info.outputs, batch_name(info), times);
          }};
}

std::vector<OnnxCase> find_onnx_cases(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw Error(ErrorCode::not_found, "onnx-test: no folder \"" + folder.string() + "\"");
  std::vector<OnnxCase> cases;
  add_cases(folder, folder, cases);
  if (cases.empty())
    throw Error(ErrorCode::not_found, "onnx-test: no cases in \"" + folder.string() + "\"");
  return cases;
}

}  // namespace quern::cli
