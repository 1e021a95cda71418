#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// nanochat (Karpathy, 2025): norms without weights, one more after the embedding, heads normed
// after a rotation the other way round, a squared ReLU, capped logits.

namespace quern::models {
namespace {

constexpr const char* kNanoDefaults = R"({"rms_norm_eps": 1e-6, "hidden_act": "relu2",
    "final_logit_softcapping": 15.0})";

std::unique_ptr<const Decoder> load_nanochat(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kNanoDefaults);
  settings.expect_type("nanochat");
  const Tensors tensors(source, accuracy);
  TransformerSettings network(settings, tensors, NormKind::rms);
  network.norm.has_weight = false;
  network.embedding_norm = network.norm;
  network.attention.bias = network.attention.output_bias = settings.bias(setting::attention_bias);
  network.attention.qk_norm = QkNorm::head;
  network.attention.qk_norm_settings = network.norm;
  network.attention.norms_rotated = true;
  RopeSettings& rope = network.ropes.front();
  rope.divisors.assign(static_cast<std::size_t>(rope.dim / 2), -1.f);
  network.ffn.gated = false;
  network.logit_softcap = static_cast<float>(settings.number_or(setting::logit_softcap, 0));
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture nanochat() { return {"nanochat", {"NanoChatForCausalLM"}, load_nanochat}; }

}  // namespace quern::models
