#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// SmolLM3 (Hugging Face, 2025): every fourth layer has no positions.

namespace quern::models {
namespace {

constexpr const char* kSmolDefaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 4,
    "tie_word_embeddings": true, "no_rope_layer_interval": 4, "use_sliding_window": false})";
constexpr Setting kRopeLayers{"",
                              {"no_rope_layers"}};  // 1 where a layer has them, despite its name
constexpr Setting kInterval{"", {"no_rope_layer_interval"}};

std::unique_ptr<const Decoder> load_smollm3(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kSmolDefaults);
  settings.expect_type("smollm3");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = pairs_by_format(settings), .base = 2e6});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  const std::vector<std::int64_t> by_interval =
      windows_by_period(network.layers, 1, settings.size_or(kInterval, 4));
  const std::vector<std::int64_t> has_rope =
      settings.has(kRopeLayers) ? settings.size_of_each(kRopeLayers, network.layers) : by_interval;
  for (const std::int64_t has : has_rope)
    network.rotary_of_layers.push_back(has != 0 ? std::optional<std::size_t>(0) : std::nullopt);
  if (settings.flag_or(setting::use_window, false)) {
    const std::int64_t window = settings.size_or(setting::window, 0);
    for (const std::int64_t has : has_rope) network.windows.push_back(has != 0 ? 0 : window);
    network.windows = windows_by_type(settings, network.layers, window).value_or(network.windows);
  }
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture smollm3() { return {"smollm3", {"smollm3", "SmolLM3ForCausalLM"}, load_smollm3}; }

}  // namespace quern::models
