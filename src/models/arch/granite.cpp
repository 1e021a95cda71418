#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Granite 3 (IBM, 2024): a factor each for embeddings, scores, what a layer adds, and logits.

namespace quern::models {
namespace {

constexpr const char* kGraniteDefaults = R"({"rms_norm_eps": 1e-6, "embedding_multiplier": 1.0,
    "logits_scaling": 1.0, "residual_multiplier": 1.0, "attention_multiplier": 1.0})";
constexpr Setting kLogitDivisor{"logit_scale", {"logits_scaling"}};

std::unique_ptr<const Decoder> load_granite(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kGraniteDefaults);
  settings.expect_type("granite");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = pairs_by_format(settings)});
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  network.embedding_scale = static_cast<float>(settings.number_or(setting::embedding_scale, 1));
  network.attention.scale = static_cast<float>(settings.number_or(setting::attention_scale, 0));
  network.residual_scale = static_cast<float>(settings.number_or(setting::residual_scale, 1));
  network.logit_scale = static_cast<float>(1 / settings.number_or(kLogitDivisor, 1));
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture granite() { return {"granite", {"granite", "GraniteForCausalLM"}, load_granite}; }

}  // namespace quern::models
