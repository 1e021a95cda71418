#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Nemotron-4 (Parmar et al., 2024): LayerNorm with weights beyond 1, a plain feed-forward layer
// with a squared ReLU, a part of each head rotated.

namespace quern::models {
namespace {

constexpr const char* kNemotronDefaults =
    R"({"norm_eps": 1e-5, "hidden_act": "relu2", "partial_rotary_factor": 0.5})";

std::unique_ptr<const Decoder> load_nemotron(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kNemotronDefaults);
  settings.expect_type("nemotron");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer, RopeFamily{.share = 0.5});
  network.norm.bias = std::nullopt;
  network.norm.offset = settings.is_gguf() ? 0.f : 1.f;
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture nemotron() { return {"nemotron", {"nemotron", "NemotronForCausalLM"}, load_nemotron}; }

}  // namespace quern::models
