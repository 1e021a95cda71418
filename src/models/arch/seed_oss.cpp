#include "models/arch/architecture.h"
#include "models/parts/transformer.h"

// Seed-OSS (ByteDance, 2025): biased queries, keys and values. GGUF calls the norm before the
// feed-forward layer by what it follows.

namespace quern::models {
namespace {

constexpr const char* kSeedDefaults = R"({"rms_norm_eps": 1e-6, "num_key_value_heads": 8,
    "head_dim": 128, "attention_bias": true})";
constexpr Setting kOutputBias{"", {"attention_out_bias"}};

std::unique_ptr<const Decoder> load_seed(const ModelSource& source, Accuracy accuracy) {
  const Settings settings(source, kSeedDefaults);
  settings.expect_type("seed_oss");
  const Tensors tensors(source, accuracy,
                        {{.name = "ffn_norm", .hugging_face = "", .gguf = "post_attention_norm"}});
  TransformerSettings network(settings, tensors, NormKind::rms);
  network.attention.bias = settings.bias(setting::attention_bias, true);
  network.attention.output_bias = settings.bias(kOutputBias);
  network.ffn.bias = settings.bias(setting::mlp_bias);
  return std::make_unique<Transformer>(network, tensors);
}

}  // namespace

Architecture seed_oss() { return {"seed_oss", {"seed_oss", "SeedOssForCausalLM"}, load_seed}; }

}  // namespace quern::models
