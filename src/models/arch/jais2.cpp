#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Jais 2 (MBZUAI, 2025): LayerNorm, biases, a plain feed-forward layer with a squared ReLU.

namespace quern::models {
namespace {

constexpr const char* kJaisDefaults = R"({"layer_norm_eps": 1e-5, "hidden_act": "relu2",
    "attention_bias": true, "mlp_bias": true})";

std::unique_ptr<const Decoder> load_jais2(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kJaisDefaults);
  settings.expect_type("jais2");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer);
  network.norm.bias = true;
  network.attention.bias = network.attention.output_bias =
      settings.bias(setting::attention_bias, true);
  network.ffn.bias = settings.bias(setting::mlp_bias, true);
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture jais2() { return {"jais2", {"jais2", "Jais2ForCausalLM"}, load_jais2}; }

}  // namespace quern::models
