#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Qwen2 (Qwen team, 2024): biased queries, keys and values, SwiGLU; the upper layers may have a
// window. Qwen3 (2025): heads of queries and keys are normed instead.

namespace quern::models {
namespace {

constexpr const char* kQwen2Defaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 32,
    "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28})";
constexpr const char* kQwen3Defaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 32,
    "head_dim": 128, "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28})";

std::vector<std::int64_t> upper_windows(const Settings& settings, std::int64_t layers) {
  if (settings.is_gguf() || !settings.flag_or(setting::use_window, false)) return {};
  const std::int64_t window = settings.size_or(setting::window, 0);
  if (const auto typed = windows_by_type(settings, layers, window)) return *typed;
  std::vector<std::int64_t> windows;
  for (std::int64_t i = 0; i < layers; ++i)
    windows.push_back(i >= settings.size(setting::window_from_layer) ? window : 0);
  return windows;
}

std::unique_ptr<const Decoder> load_qwen2(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kQwen2Defaults);
  settings.expect_type("qwen2");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms);
  network.attention.bias = settings.bias(true);
  network.attention.output_bias = settings.bias(false);
  network.ffn.bias = settings.bias(false);
  network.windows = upper_windows(settings, network.layers);
  return std::make_unique<Transformer>(network, tensors);
}

std::unique_ptr<const Decoder> load_qwen3(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kQwen3Defaults);
  settings.expect_type("qwen3");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms);
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.qk_norm = QkNorm::head;
  network.attention.qk_norm_settings = network.norm;
  network.windows = upper_windows(settings, network.layers);
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture qwen2() { return {"qwen2", {"qwen2", "Qwen2ForCausalLM"}, load_qwen2}; }

Architecture qwen3() { return {"qwen3", {"qwen3", "Qwen3ForCausalLM"}, load_qwen3}; }

}  // namespace quern::models
