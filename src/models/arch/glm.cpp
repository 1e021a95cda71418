#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// GLM-4 (GLM team, 2024): half of each head rotated in neighbouring pairs, gate and up in one
// tensor. GLM-4-0414 (2025): norms after attention and feed-forward as well.

namespace quern::models {
namespace {

constexpr const char* kGlmDefaults = R"({"rms_norm_eps": 1.5625e-7, "num_key_value_heads": 2,
    "head_dim": 128, "attention_bias": true, "partial_rotary_factor": 0.5})";

std::unique_ptr<const Decoder> load_glm_with(const ModelSource& source, Accuracy accuracy,
                                             std::string_view type, NormPlaces places) {
  const Settings settings(source, kGlmDefaults);
  settings.expect_type(type);
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms,
                              RopeFamily{.pairs = ops::RotaryPairs::interleaved, .share = 0.5});
  network.places = places;
  network.attention.bias = settings.bias(setting::attention_bias, true);
  network.attention.output_bias = settings.bias(false);
  return std::make_unique<Transformer>(network, tensors);
}

std::unique_ptr<const Decoder> load_glm(const ModelSource& source, Accuracy accuracy) {
  return load_glm_with(source, accuracy, "glm", NormPlaces::before);
}

std::unique_ptr<const Decoder> load_glm4(const ModelSource& source, Accuracy accuracy) {
  return load_glm_with(source, accuracy, "glm4", NormPlaces::both);
}

}  // namespace

Architecture glm() { return {"glm", {"chatglm", "GlmForCausalLM"}, load_glm}; }

Architecture glm4() { return {"glm4", {"glm4", "Glm4ForCausalLM"}, load_glm4}; }

}  // namespace quern::models
