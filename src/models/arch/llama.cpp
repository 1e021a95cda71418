#include "core/error.h"
#include "core/format.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Llama (Touvron et al., 2023) and Mistral (Jiang et al., 2023): RMSNorm, grouped-query attention
// with rotary positions, SwiGLU. A Mistral has no biases, and may have a window.

namespace quern::models {
namespace {

constexpr const char* kLlamaDefaults = R"({"rms_norm_eps": 1e-6})";
constexpr const char* kMistralDefaults =
    R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 8, "sliding_window": 4096})";

std::vector<std::int64_t> mistral_windows(const Settings& settings, std::int64_t layers) {
  const std::int64_t window = settings.size_or(setting::window, 0);
  return windows_by_type(settings, layers, window)
      .value_or(std::vector(static_cast<std::size_t>(layers), window));
}

std::unique_ptr<const Decoder> load_llama(const ModelSource& source, Accuracy accuracy) {
  const bool is_mistral = source.architecture() == "MistralForCausalLM";
  const Settings settings(source, is_mistral ? kMistralDefaults : kLlamaDefaults);
  settings.expect_type(is_mistral ? "mistral" : "llama");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = pairs_by_format(settings)});
  network.attention.bias =
      settings.bias(!is_mistral && settings.flag_or(setting::attention_bias, false));
  network.attention.output_bias = network.attention.bias;
  network.ffn.bias = settings.bias(!is_mistral && settings.flag_or(setting::mlp_bias, false));
  if (is_mistral) network.windows = mistral_windows(settings, network.layers);
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture llama() {
  return {"llama", {"llama", "LlamaForCausalLM", "MistralForCausalLM"}, load_llama};
}

}  // namespace quern::models
