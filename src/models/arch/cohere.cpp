#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Command R (Cohere, 2024): LayerNorm without biases, both parts of a layer read one norm, scaled
// logits; the larger has normed heads, each with a weight of its own. Command A (2025): three
// layers with a window and positions to one that sees all and has none.

namespace quern::models {
namespace {

constexpr const char* kCohereDefaults = R"({"layer_norm_eps": 1e-5, "logit_scale": 0.0625,
    "tie_word_embeddings": true, "use_qk_norm": false, "rope_theta": 500000.0})";
constexpr const char* kCohere2Defaults = R"({"layer_norm_eps": 1e-5, "logit_scale": 0.0625,
    "tie_word_embeddings": true, "sliding_window": 4096, "sliding_window_pattern": 4,
    "head_dim": null})";
constexpr Setting kLogitScale{"logit_scale", {"logit_scale"}};
constexpr Setting kQkNorms{"", {"use_qk_norm"}};

TransformerSettings cohere_network(const Settings& settings, const Tensors& tensors) {
  TransformerSettings network(settings, tensors, NormKind::layer,
                              RopeFamily{.pairs = ops::RotaryPairs::interleaved});
  network.is_parallel = network.shares_norm = true;
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.logit_scale = static_cast<float>(settings.number_or(kLogitScale, 1));
  return network;
}

std::unique_ptr<const Decoder> load_cohere(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kCohereDefaults);
  settings.expect_type("cohere");
  const Tensors tensors(source, accuracy);
  TransformerSettings network = cohere_network(settings, tensors);
  const bool norms_heads =
      settings.is_gguf() ? tensors.layer(0).has("attn_q_norm") : settings.flag_or(kQkNorms, false);
  if (norms_heads) network.attention.qk_norm = QkNorm::heads;
  network.attention.qk_norm_settings = {.kind = NormKind::layer, .epsilon = network.norm.epsilon};
  return std::make_unique<Transformer>(network, tensors);
}

std::unique_ptr<const Decoder> load_cohere2(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kCohere2Defaults);
  settings.expect_type("cohere2");
  const Tensors tensors(source, accuracy);
  TransformerSettings network = cohere_network(settings, tensors);
  const std::int64_t window = settings.size_or(setting::window, 0);
  network.windows = windows_by_type(settings, network.layers, window)
                        .value_or(windows_by_period(network.layers, window,
                                                    settings.size_or(setting::window_pattern, 4)));
  for (const std::int64_t each : network.windows)
    network.rotary_of_layers.push_back(each > 0 ? std::optional<std::size_t>(0) : std::nullopt);
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture cohere() { return {"cohere", {"command-r", "CohereForCausalLM"}, load_cohere}; }

Architecture cohere2() { return {"cohere2", {"cohere2", "Cohere2ForCausalLM"}, load_cohere2}; }

}  // namespace quern::models
