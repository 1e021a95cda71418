#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// BitNet b1.58 (Ma et al., 2025), where its weights are not packed: a gate with a squared ReLU, and
// a norm within attention and feed-forward.

namespace quern::models {
namespace {

constexpr const char* kBitNetDefaults =
    R"({"rms_norm_eps": 1e-5, "hidden_act": "relu2", "num_key_value_heads": 5})";

std::unique_ptr<const Decoder> load_bitnet(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kBitNetDefaults);
  settings.expect_type("bitnet");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms, RopeFamily{.base = 500000});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.before_output = network.norm;
  network.ffn.before_down = network.norm;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture bitnet() { return {"bitnet", {"BitNetForCausalLM"}, load_bitnet}; }

}  // namespace quern::models
