#include "core/error.h"
#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Ministral 3 (2025): yarn positions, and queries that grow with the logarithm of how
// often the original context has passed.

namespace quern::models {
namespace {

constexpr const char* kMinistralDefaults = R"({"rms_norm_eps": 1e-5, "num_key_value_heads": 8,
    "head_dim": 128, "rope_parameters": {"rope_type": "yarn", "rope_theta": 1000000.0,
    "factor": 16.0, "original_max_position_embeddings": 16384, "beta_fast": 32.0,
    "beta_slow": 1.0, "mscale_all_dim": 1.0, "mscale": 1.0, "llama_4_scaling_beta": 0.1}})";
constexpr Setting kGrowth{"attention.temperature_scale", {}};
constexpr Setting kOriginal{"rope.scaling.original_context_length", {}};

std::unique_ptr<const Decoder> load_ministral3(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kMinistralDefaults);
  settings.expect_type("ministral3");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = pairs_by_format(settings)});
  if (settings.is_gguf()) {
    network.attention.position_scale = static_cast<float>(settings.number_or(kGrowth, 0));
    network.attention.of_positions = settings.size_or(kOriginal, network.context_length);
  } else {
    const io::JsonObject rope = settings.json().object("rope_parameters");
    network.attention.position_scale =
        static_cast<float>(rope.get_or<double>("llama_4_scaling_beta", 0));
    network.attention.of_positions = static_cast<std::int64_t>(rope.get_or<double>(
        "original_max_position_embeddings", static_cast<double>(network.context_length)));
  }
  network.windows.assign(static_cast<std::size_t>(network.layers),
                         settings.is_gguf() ? 0 : settings.size_or(setting::window, 0));
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture ministral3() {
  return {"ministral3", {"mistral3", "Ministral3ForCausalLM"}, load_ministral3};
}

}  // namespace quern::models
