#include "cli/inspect_files.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/onnx_describe.h"
#include "cli/terminal.h"
#include "quern/onnx.h"
#include "quern/weights.h"

namespace quern::cli {
namespace {

using nlohmann::json;

bool is_file(const std::string& path, const char* extension) {
  return std::filesystem::path(path).extension() == extension &&
         !std::filesystem::is_directory(path);
}

void print(const json& value) {
  std::cout << value.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

void print_line(const char* name, const std::string& value) {
  std::printf("%-16s%s\n", name, value.c_str());
}

json json_of(const std::vector<onnx::ValueInfo>& infos) {
  json values = json::array();
  for (const onnx::ValueInfo& info : infos) {
    json value{{"name", info.name}, {"kind", to_string(info.kind)}};
    if (info.has_dtype) value["dtype"] = to_string(info.dtype);
    for (std::size_t i = 0; info.has_shape && i < info.dims.size(); ++i)
      value["shape"].push_back(info.dims[i] >= 0 ? json(info.dims[i]) : json(info.dim_names[i]));
    values.push_back(std::move(value));
  }
  return values;
}

void print_values(const char* name, const std::vector<onnx::ValueInfo>& infos) {
  for (const onnx::ValueInfo& info : infos) {
    print_line(name, describe(info));
    name = "";
  }
}

void print_table(const onnx::ModelInfo& info) {
  std::string opsets, operators, unsupported;
  const auto add = [](std::string& list, const std::string& item) {
    list += (list.empty() ? "" : ", ") + item;
  };
  for (const auto& [domain, version] : info.opsets)
    add(opsets, (domain.empty() ? "ai.onnx" : domain) + " " + std::to_string(version));
  for (const auto& [name, count] : info.operators)
    add(operators, std::to_string(count) + " " + name);
  for (const std::string& name : info.unsupported) add(unsupported, name);
  print_line("format", "ONNX, IR version " + std::to_string(info.ir_version));
  if (!info.producer.empty()) print_line("producer", info.producer);
  if (!info.description.empty()) print_line("description", info.description);
  print_line("opsets", opsets);
  print_line("parameters", human_count(static_cast<double>(info.parameters)) + " (" +
                               std::to_string(info.parameters) + ")");
  print_line("nodes", std::to_string(info.nodes));
  print_line("operators", operators);
  if (!unsupported.empty()) print_line("not supported", unsupported);
  print_values("inputs", info.inputs);
  print_values("with a value", info.defaulted);
  print_values("outputs", info.outputs);
  for (const auto& [key, value] : info.metadata) print_line(key.c_str(), value);
}

}  // namespace

bool is_onnx_file(const std::string& path) { return is_file(path, ".onnx"); }
bool is_safetensors_file(const std::string& path) { return is_file(path, ".safetensors"); }

void inspect_onnx(const std::string& path, bool as_json) {
  const onnx::ModelInfo info = onnx::inspect(path);
  if (!as_json) return print_table(info);
  print({{"format", "ONNX"},
         {"ir_version", info.ir_version},
         {"producer", info.producer},
         {"description", info.description},
         {"opsets", info.opsets},
         {"parameters", info.parameters},
         {"nodes", info.nodes},
         {"operators", info.operators},
         {"unsupported", info.unsupported},
         {"inputs", json_of(info.inputs)},
         {"defaulted", json_of(info.defaulted)},
         {"outputs", json_of(info.outputs)},
         {"metadata", info.metadata}});
}

void inspect_safetensors(const std::string& path, bool as_json) {
  const Weights weights = Weights::open(path);
  json tensors = json::object();
  std::int64_t values = 0;
  std::size_t bytes = 0;
  for (const std::string& name : weights.names()) {
    const Weight& weight = weights.get(name);
    const Shape& shape = weight.shape();
    values += shape.numel();
    bytes += weight.bytes().size();
    tensors[name] = {{"type", weight.type_name()},
                     {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())}};
  }
  if (as_json)
    return print({{"format", "safetensors"},
                  {"parameters", values},
                  {"bytes", bytes},
                  {"tensors", tensors}});
  print_line("format", "safetensors");
  print_line("parameters",
             human_count(static_cast<double>(values)) + " (" + std::to_string(values) + ")");
  print_line("bytes", human_bytes(static_cast<double>(bytes)));
  std::printf("\n%-10s%-20s%s\n", "type", "shape", "tensor");
  for (const std::string& name : weights.names()) {
    const Weight& weight = weights.get(name);
    std::printf("%-10s%-20s%s\n", std::string(weight.type_name()).c_str(),
                to_string(weight.shape()).c_str(), name.c_str());
  }
}

}  // namespace quern::cli
