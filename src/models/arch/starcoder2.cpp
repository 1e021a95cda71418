#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// StarCoder2 (Lozhkov et al., 2024): LayerNorm, biases everywhere, a plain feed-forward layer with
// GELU; may have a window.

namespace quern::models {
namespace {

constexpr const char* kStarcoderDefaults = R"({"norm_epsilon": 1e-5, "num_key_value_heads": 2,
    "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": true, "use_bias": true})";

std::unique_ptr<const Decoder> load_starcoder2(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kStarcoderDefaults);
  settings.expect_type("starcoder2");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::layer);
  network.norm.bias = std::nullopt;
  network.attention.bias = network.attention.output_bias = settings.bias(setting::use_bias, true);
  network.ffn.bias = network.attention.bias;
  network.ffn.gated = false;
  network.windows.assign(static_cast<std::size_t>(network.layers),
                         settings.is_gguf() ? 0 : settings.size_or(setting::window, 0));
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture starcoder2() {
  return {"starcoder2", {"starcoder2", "Starcoder2ForCausalLM"}, load_starcoder2};
}

}  // namespace quern::models
