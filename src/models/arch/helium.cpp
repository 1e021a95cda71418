#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Helium (Kyutai, 2025): neighbouring pairs rotated.

namespace quern::models {
namespace {

constexpr const char* kHeliumDefaults =
    R"({"rms_norm_eps": 1e-8, "num_key_value_heads": 20, "head_dim": 128})";

std::unique_ptr<const Decoder> load_helium(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kHeliumDefaults);
  settings.expect_type("helium");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = ops::RotaryPairs::interleaved, .base = 100000});
  network.attention.bias = settings.bias(setting::attention_bias);
  network.attention.output_bias = settings.bias(false);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture helium() { return {"helium", {"HeliumForCausalLM"}, load_helium}; }

}  // namespace quern::models
