#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// OLMo (Groeneveld et al., 2024): LayerNorm without weights, queries, keys and values clipped.
// OLMo 2 (2025): RMSNorm after attention and feed-forward, all queries of a token normed at once,
// keys likewise. OLMo 3: three layers of four have a window.

namespace quern::models {
namespace {

std::unique_ptr<const Decoder> load_olmo(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, R"({"layer_norm_eps": 1e-5})");
  settings.expect_type("olmo");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer,
                              RopeFamily{.pairs = pairs_by_format(settings)});
  network.norm.has_weight = false;
  if (!settings.is_gguf()) network.norm.epsilon = 1e-5f;
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.clip = static_cast<float>(settings.number_or(setting::clip_qkv, 0));
  return std::make_unique<Transformer>(network, tensors);
}

std::unique_ptr<const Decoder> load_olmo2(const ModelSource& source, Accuracy accuracy) {
  const bool is_third = source.architecture() == "Olmo3ForCausalLM";
  const Settings settings(source, is_third ? R"({"rms_norm_eps": 1e-5, "sliding_window": 4096})"
                                           : R"({"rms_norm_eps": 1e-5})");
  settings.expect_type(is_third ? "olmo3" : "olmo2");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms);
  network.places = NormPlaces::after;
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.qk_norm = QkNorm::all;
  network.attention.qk_norm_settings = network.norm;
  if (is_third || (settings.is_gguf() && settings.size_or(setting::window, 0) > 0)) {
    const std::int64_t window = settings.size_or(setting::window, 0);
    network.windows = windows_by_type(settings, network.layers, window)
                          .value_or(windows_by_period(network.layers, window, 4));
    // Long contexts are reached by scaling where a layer sees all.
    RopeSettings local = network.ropes.front();
    if (settings.is_gguf() && local.scaling != RopeScaling::none) {
      local.scaling = RopeScaling::none;
      network.ropes.push_back(local);
      for (const std::int64_t each : network.windows)
        network.rotary_of_layers.emplace_back(each > 0 ? 1 : 0);
    }
  }
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture olmo() { return {"olmo", {"olmo", "OlmoForCausalLM"}, load_olmo}; }

Architecture olmo2() {
  return {"olmo2", {"olmo2", "Olmo2ForCausalLM", "Olmo3ForCausalLM"}, load_olmo2};
}

}  // namespace quern::models
