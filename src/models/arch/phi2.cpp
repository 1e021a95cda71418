#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Phi-1.5 and Phi-2 (Li et al., 2023): attention and a plain feed-forward layer both read one
// LayerNorm; biases everywhere, also of the logits; half of each head rotated.

namespace quern::models {
namespace {

constexpr const char* kPhiDefaults = R"({"layer_norm_eps": 1e-5, "hidden_act": "gelu_new",
    "partial_rotary_factor": 0.5, "qk_layernorm": false})";
constexpr Setting kQkLayerNorm{"", {"qk_layernorm"}};

std::unique_ptr<const Decoder> load_phi2(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kPhiDefaults);
  settings.expect_type("phi");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer, RopeFamily{.share = 0.5});
  network.norm.bias = true;
  network.is_parallel = network.shares_norm = true;
  network.attention.bias = network.attention.output_bias = true;
  network.attention.qk_norm = settings.flag_or(kQkLayerNorm, false) ? QkNorm::head : QkNorm::none;
  network.attention.qk_norm_settings = network.norm;
  network.ffn.bias = network.output_bias = true;
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture phi2() { return {"phi2", {"phi2", "PhiForCausalLM"}, load_phi2}; }

}  // namespace quern::models
