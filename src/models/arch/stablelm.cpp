#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// StableLM 2 (Bellagente et al., 2024): LayerNorm, a quarter of each head rotated; the 12B has
// normed heads, each with a weight of its own, and both parts of a layer read one norm.

namespace quern::models {
namespace {

constexpr const char* kStableLmDefaults = R"({"layer_norm_eps": 1e-5, "num_key_value_heads": 32,
    "partial_rotary_factor": 0.25})";
constexpr Setting kQkvBias{"", {"use_qkv_bias"}};
constexpr Setting kQkNorm{"", {"qk_layernorm"}};

std::unique_ptr<const Decoder> load_stablelm(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kStableLmDefaults);
  settings.expect_type("stablelm");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer, RopeFamily{.share = 0.25});
  network.norm.bias = std::nullopt;
  network.attention.bias = settings.bias(kQkvBias);
  network.attention.output_bias = settings.bias(false);
  network.is_parallel = network.shares_norm = settings.is_gguf()
                                                  ? !tensors.layer(0).has("ffn_norm")
                                                  : settings.flag_or(setting::parallel, false);
  const bool norms_heads =
      settings.is_gguf() ? tensors.layer(0).has("attn_q_norm") : settings.flag_or(kQkNorm, false);
  if (norms_heads) network.attention.qk_norm = QkNorm::heads;
  network.attention.qk_norm_settings = {.kind = NormKind::layer, .epsilon = network.norm.epsilon};
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture stablelm() { return {"stablelm", {"stablelm", "StableLmForCausalLM"}, load_stablelm}; }

}  // namespace quern::models
