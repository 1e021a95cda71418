#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// AFM (Arcee, 2025): a plain feed-forward layer with a squared ReLU.

namespace quern::models {
namespace {

std::unique_ptr<const Decoder> load_arcee(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, R"({"rms_norm_eps": 1e-5, "hidden_act": "relu2"})");
  settings.expect_type("arcee");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = pairs_by_format(settings)});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  network.ffn.gated = false;
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture arcee() { return {"arcee", {"arcee", "ArceeForCausalLM"}, load_arcee}; }

}  // namespace quern::models
