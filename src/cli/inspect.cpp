#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/inspect_files.h"
#include "cli/terminal.h"
#include "quern/llm.h"

namespace quern::cli {
namespace {

void print_json(const llm::ModelInfo& info) {
  nlohmann::json types = nlohmann::json::object();
  for (const auto& [name, type] : info.tensor_types) {
    types[name] = {{"tensors", type.tensors}, {"values", type.values}, {"bytes", type.bytes}};
  }
  const std::int64_t context_bytes = info.kv_bytes_per_token * info.context_length;
  const nlohmann::json json{{"format", info.format},
                            {"architecture", info.architecture},
                            {"supported", info.supported},
                            {"name", info.name},
                            {"parameters", info.parameters},
                            {"layers", info.layers},
                            {"dim", info.dim},
                            {"heads", info.heads},
                            {"kv_heads", info.kv_heads},
                            {"head_dim", info.head_dim},
                            {"vocab_size", info.vocab_size},
                            {"context_length", info.context_length},
                            {"tokenizer", info.tokenizer},
                            {"tensor_types", types},
                            {"memory",
                             {{"weights", info.weight_bytes},
                              {"kv_per_token", info.kv_bytes_per_token},
                              {"kv_full_context", context_bytes},
                              {"total", info.weight_bytes + context_bytes}}}};
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void print_row(const std::string& name, const std::string& value) {
  std::cout << std::left << std::setw(16) << name << value << "\n";
}

void print_table(const llm::ModelInfo& info) {
  const auto number = [](std::int64_t value) {
    return value > 0 ? std::to_string(value) : std::string("-");
  };
  print_row("format", info.format);
  print_row("architecture", info.architecture + (info.supported ? "" : " (not supported)"));
  if (!info.name.empty()) print_row("name", info.name);
  print_row("parameters", human_count(static_cast<double>(info.parameters)) + " (" +
                              std::to_string(info.parameters) + ")");
  print_row("layers", number(info.layers));
  print_row("dim", number(info.dim));
  print_row("heads", number(info.heads) + " of " + number(info.head_dim) + ", " +
                         number(info.kv_heads) + " for keys and values");
  print_row("context", number(info.context_length) + " tokens");
  print_row("tokenizer", (info.tokenizer.empty() ? "none that is supported" : info.tokenizer) +
                             ", vocabulary of " + number(info.vocab_size));
  const auto context =
      static_cast<double>(info.kv_bytes_per_token) * static_cast<double>(info.context_length);
  print_row("memory", human_bytes(static_cast<double>(info.weight_bytes)) + " weights (mapped) + " +
                          human_bytes(static_cast<double>(info.kv_bytes_per_token)) +
                          " a token of context = " +
                          human_bytes(static_cast<double>(info.weight_bytes) + context) +
                          " with a full context");
  std::cout << "\n"
            << std::left << std::setw(16) << "tensor type" << std::right << std::setw(8)
            << "tensors" << std::setw(12) << "values" << std::setw(12) << "bytes" << std::setw(14)
            << "bits a value"
            << "\n";
  for (const auto& [name, type] : info.tensor_types) {
    std::cout << std::left << std::setw(16) << name << std::right << std::setw(8) << type.tensors
              << std::setw(12) << human_count(static_cast<double>(type.values)) << std::setw(12)
              << human_bytes(static_cast<double>(type.bytes)) << std::setw(14) << std::fixed
              << std::setprecision(2)
              << 8.0 * static_cast<double>(type.bytes) /
                     std::max<double>(1, static_cast<double>(type.values))
              << "\n";
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("inspect", "Say what a model file holds and what memory it needs");
  command
      ->add_option("model", *path, "A .gguf, .onnx or .safetensors file, or a Hugging Face folder")
      ->required();
  command->add_flag("--json", *json, "Print JSON");
  command->callback([path, json] {
    if (is_onnx_file(*path)) return inspect_onnx(*path, *json);
    if (is_safetensors_file(*path)) return inspect_safetensors(*path, *json);
    const llm::ModelInfo info = llm::inspect(*path);
    *json ? print_json(info) : print_table(info);
  });
}

}  // namespace quern::cli
